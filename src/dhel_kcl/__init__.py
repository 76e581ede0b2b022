"""Replication of DHEL and kernel contrastive losses (Koromilas et al., ICML 2024).

Science: `losses`, `kernels`, `sphere`, `metrics`.
Steps of the pipeline, in this order, each with ``python -m dhel_kcl.<step> --help``: `fetch`, `split`, `pretrain`,
`probe`, `select`, `combine`, `claims`, `table` and `figures.<name>`, `stamp`.
"""

__version__ = "0.1.0"
