"""How a job runs and what it takes: command lines; digests and provenance; cost and speed of a suite, memory and disk
of a run (`preflight`); steps that start at once (`warm`), progress, signals. Nothing that a result depends on.

May import everything but steps; of the package, only they and the command line use it. A change here reruns nothing,
but for `digest` and `science`, which say what does.
"""
