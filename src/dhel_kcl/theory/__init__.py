"""What the paper proves, checked by computation: no data, minutes on a laptop.

One module an experiment; each writes results/theory/<name>.csv (what was measured) and <name>.json (statements about
it with measured value, threshold and verdict, computed from the table alone).
"""

EXPERIMENTS = ("minima", "batch_size", "uniformity", "circle", "minibatches")
TABLES = ("claims_summary", "verdicts", "gaps")
"""What `dhel_kcl.theory.tables` makes of their results."""
