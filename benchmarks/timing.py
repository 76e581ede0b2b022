"""Two ways to do the same, timed in alternation, so that both see the same machine."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch


def compare(ours: Callable[[], object], baseline: Callable[[], object], rounds: int) -> dict[str, Any]:
    """Median seconds of both, and the median and quartiles of the baseline's time over ours in each round.

    On one thread the time is that of the process, which other work on the machine changes little; on more it is the
    wall clock's. One round before the counted ones warms up.
    """
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    times = np.array([[seconds(run, clock) for run in (ours, baseline)] for _ in range(rounds + 1)])[1:]
    low, ratio, high = np.quantile(times[:, 1] / times[:, 0], [0.25, 0.5, 0.75])
    ours_s, baseline_s = np.median(times, axis=0)
    return {"ours_s": ours_s, "baseline_s": baseline_s, "ratio": ratio, "ratio_low": low, "ratio_high": high}


def seconds(run: Callable[[], object], clock: Callable[[], float]) -> float:
    start = clock()
    run()
    return clock() - start
