"""What the theory experiments share: the losses, and how an experiment is run."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
import torch
from threadpoolctl import threadpool_limits

from dhel_kcl.losses.base import ContrastiveLoss
from dhel_kcl.losses.dcl import DCLLoss
from dhel_kcl.losses.dhel import DHELLoss
from dhel_kcl.losses.infonce import InfoNCELoss
from dhel_kcl.losses.kcl import KCLLoss
from dhel_kcl.losses.simclr import SimCLRLoss
from dhel_kcl.theory.verdict import Verdict

TEMPERATURE = 0.5
LOG_SUM_EXP: dict[str, ContrastiveLoss] = {
    "infonce": InfoNCELoss(TEMPERATURE),
    "simclr": SimCLRLoss(TEMPERATURE),
    "dcl": DCLLoss(TEMPERATURE),
    "dhel-anchor": DHELLoss(TEMPERATURE, "anchor"),
    "dhel-mean": DHELLoss(TEMPERATURE, "mean"),
    "dhel": DHELLoss(TEMPERATURE, "sum"),
}
KERNEL: dict[str, ContrastiveLoss] = {
    "kcl-gaussian": KCLLoss("gaussian"),
    "kcl-log": KCLLoss("log"),
    "kcl-imq": KCLLoss("imq"),
    "kcl-riesz": KCLLoss("riesz"),
}
LOSS_OF = LOG_SUM_EXP | KERNEL
"""The loss of each method that experiments compare."""

THREADS = 1
PRECISION = "fp64"


@dataclass(frozen=True)
class Result:
    """What an experiment measured, one row a case, and the statements about it."""

    table: pd.DataFrame
    verdicts: list[Verdict]


def run(measure: Callable[[], pd.DataFrame], judge: Callable[[pd.DataFrame], list[Verdict]]) -> Result:
    """What an experiment measures and what follows from it, on one thread, so that sums have one order."""
    torch.set_num_threads(THREADS)
    with threadpool_limits(THREADS):  # those of NumPy and SciPy
        table = measure()
    return Result(table, judge(table))
