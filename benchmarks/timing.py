"""Several ways to do the same, timed in alternation, so that all see the same machine."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

COLUMNS = ["what", "baseline", "threads", "ours_s", "baseline_s", "ratio", "ratio_low", "ratio_high", "target"]
"""Of every table: median seconds, the median and quartiles of the rounds' ratios, and the least ratio aimed for."""


def compare(ours: Callable[[], object], baseline: Callable[[], object], rounds: int) -> dict[str, Any]:
    """`ratio` of the times of both in `rounds` rounds of one and the other."""
    times = alternate({"ours": ours, "baseline": baseline}, rounds)
    return ratio(times["ours"], times["baseline"])


def alternate(runs: dict[str, Callable[[], object]], rounds: int) -> dict[str, NDArray]:
    """Seconds of each run in each round, after one round that warms up.

    On one thread of a processor the time is that of the process, which other work on the machine changes little; else
    it is the wall clock's.
    """
    alone = torch.get_num_threads() == 1 and not torch.cuda.is_initialized()
    clock = time.process_time if alone else time.perf_counter
    times = {name: np.empty(rounds + 1) for name in runs}
    for number in range(rounds + 1):
        for name, run in runs.items():
            times[name][number] = seconds(run, clock)
    return {name: values[1:] for name, values in times.items()}


def ratio(ours: NDArray, baseline: NDArray) -> dict[str, Any]:
    """Median seconds of both, and the median and quartiles of the baseline's time over ours in each round."""
    low, middle, high = np.quantile(baseline / ours, [0.25, 0.5, 0.75])
    medians = {"ours_s": np.median(ours), "baseline_s": np.median(baseline)}
    return medians | {"ratio": middle, "ratio_low": low, "ratio_high": high}


def seconds(run: Callable[[], object], clock: Callable[[], float]) -> float:
    synchronize()
    start = clock()
    run()
    synchronize()
    return clock() - start


def synchronize() -> None:
    """Wait for what was queued on a GPU."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
