"""How a theory experiment is run."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
import torch
from threadpoolctl import threadpool_limits

from dhel_kcl.theory.verdict import Verdict

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
