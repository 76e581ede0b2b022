"""Replication of DHEL and kernel contrastive losses (Koromilas et al., ICML 2024).

Science: `losses`, `kernels`, `sphere`, `metrics`.
Steps of the pipeline, each with ``python -m dhel_kcl.<step> --help``: `fetch`, `split`, `pretrain`,
`probe`, `select`, `combine`, `table`, `figure`, `stamp`, `compare`.
"""

__version__ = "0.1.0"
