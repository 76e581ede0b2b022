"""What is run: the config's models, the runs that follow from a suite, every path that rules share, and the selection
of settings.

May import data; needs no torch. What it decides travels in a run's spec, so a change reruns the runs whose spec it
changes (of `selection`: the selections and the tidy tables), and tables and figures where the suite's digest changes.
"""
