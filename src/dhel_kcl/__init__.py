"""Replication of DHEL and kernel contrastive losses (Koromilas et al., ICML 2024).

For use elsewhere: `losses`, `kernels`, `geometry`. The study, in the order of the data: `data`, `views`, `training`,
`evaluation`, `study` (what is run), `evidence` (what follows from it), `theory`; `steps` are its command lines
(``dhel-kcl --help``), `runtime` is how a job runs.
"""

__version__ = "0.1.0"
