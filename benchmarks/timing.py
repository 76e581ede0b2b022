"""Several ways to do the same, timed in alternation, so that all see the same machine."""

import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

if TYPE_CHECKING:  # a machine that has PyTorch alone times its GPU, too
    import pandas as pd

COLUMNS = ["what", "baseline", "threads", "ours_s", "baseline_s", "ratio", "ratio_low", "ratio_high", "target"]
"""Of every table: median seconds, the median and quartiles of the rounds' ratios, and the least ratio aimed for."""


def finish(table: "pd.DataFrame", output: Path | None) -> None:
    """Show a benchmark's table, and write it as CSV where that is asked for."""
    print(table.to_markdown(index=False, floatfmt=".3g"))
    if output:
        table.to_csv(output, index=False)


def compare(ours: Callable[[], object], baseline: Callable[[], object], rounds: int) -> dict[str, Any]:
    """`ratio` of the times of both in `rounds` rounds of one and the other."""
    times = alternate({"ours": ours, "baseline": baseline}, rounds)
    return ratio(times["ours"], times["baseline"])


class Elsewhere:
    """What `make(*arguments)` returns, made and run in a process of its own, so that settings of this one miss it."""

    def __init__(self, make: Callable[..., Callable[[], object]], *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, torch.get_num_threads(), make, arguments))
        self.process.start()

    def seconds(self) -> float:
        """Of one run."""
        self.connection.send(True)
        elapsed: float = self.connection.recv()
        return elapsed

    def close(self) -> None:
        self.connection.send(False)
        self.process.join()


def _serve(connection: Connection, threads: int, make: Callable[..., Callable[[], object]], arguments: Any) -> None:
    torch.set_num_threads(threads)
    run = make(*arguments)
    while connection.recv():
        connection.send(seconds(run, clock()))


def alternate(runs: dict[str, Callable[[], object] | Elsewhere], rounds: int) -> dict[str, NDArray]:
    """Seconds of each run in each round, after one round that warms up."""
    times = {name: np.empty(rounds + 1) for name in runs}
    for number in range(rounds + 1):
        for name, run in runs.items():
            times[name][number] = run.seconds() if isinstance(run, Elsewhere) else seconds(run, clock())
    return {name: values[1:] for name, values in times.items()}


def clock() -> Callable[[], float]:
    """On one thread of a processor the process's time, which other work on the machine changes little; else the wall
    clock's."""
    alone = torch.get_num_threads() == 1 and not torch.cuda.is_initialized()
    return time.process_time if alone else time.perf_counter


def ratio(ours: NDArray, baseline: NDArray) -> dict[str, Any]:
    """Median seconds of both, and the median and quartiles of the baseline's time over ours in each round."""
    low, middle, high = np.quantile(baseline / ours, [0.25, 0.5, 0.75])
    medians = {"ours_s": np.median(ours), "baseline_s": np.median(baseline)}
    return medians | {"ratio": middle, "ratio_low": low, "ratio_high": high}


def seconds(run: Callable[[], object], now: Callable[[], float]) -> float:
    synchronize()
    start = now()
    run()
    synchronize()
    return now() - start


def synchronize() -> None:
    """Wait for what was queued on a GPU."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
