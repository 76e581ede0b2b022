"""What the paper proves, checked by computation, and its figures: no data, minutes on a laptop.

One module an experiment: `measure()` gives a table and `judge(table)` the statements about it, from the table alone.
May import presentation and what evaluation may import; a change of an experiment reruns it, and those
that use it.
"""

EXPERIMENTS = ("minima", "local_minima", "batch_size", "uniformity", "circle", "minibatches")
TABLES = ("claims_summary", "verdicts", "gaps", "local_minima")
"""What `theory.tables` makes of their results."""
