"""From runs to conclusions: tidy tables, estimates, the claims' statistics and verdicts, tables and figures.

May import all but theory, runtime and steps. A change here remakes tables, ledger and figures, from the tidy tables
alone where `collect` is untouched, and reruns nothing.
"""
