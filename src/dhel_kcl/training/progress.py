"""How far a run is: its last step, the sums of the epoch that it is in, and a row of the log for each one behind it."""

import math
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from dhel_kcl.files import write_rows
from dhel_kcl.training.schedule import Schedule


class Diverged(ArithmeticError):
    """A loss or weights that are NaN or infinite; the message says where the run was."""


class Progress:
    """What is reported of a run after each step.

    done: steps that were taken, of `steps`. values: the last step's loss, as "loss", and its parts by name, each the
    mean over the processes; rate: its learning rate. rows: of the log, one an epoch, with means over the epoch.
    """

    def __init__(self, schedule: Schedule, minimum: float | None) -> None:
        """minimum: least value of the loss, which the log states the distance to."""
        self.schedule, self.minimum = schedule, minimum
        self.done = 0
        self.rate = 0.0
        self.values: dict[str, float] = {}
        self.rows: list[dict[str, Any]] = []
        self._sums: defaultdict[str, float] = defaultdict(float)
        self._seconds_before = 0.0  # of the processes that this one goes on from
        self.start()
        self.start_epoch()

    def start(self) -> None:
        """Training begins, or goes on, now."""
        self._started = time.perf_counter()

    def start_epoch(self) -> None:
        """An epoch begins now, or what is left of it."""
        self._epoch_started, self._epoch_first = time.perf_counter(), self.done

    @property
    def steps(self) -> int:
        return self.schedule.steps

    @property
    def finished(self) -> bool:
        return self.done == self.steps

    @property
    def epoch(self) -> int:
        """Number of the last step's epoch, from 1."""
        return (max(self.done, 1) - 1) // self.schedule.steps_per_epoch + 1

    @property
    def ends_epoch(self) -> bool:
        """Whether the last step was its epoch's last one, which then is the last row of the log."""
        return self.done > 0 and (self.done % self.schedule.steps_per_epoch == 0 or self.finished)

    @property
    def seconds(self) -> float:
        """Of training, in all processes that shared this run."""
        return self._seconds_before + time.perf_counter() - self._started

    @property
    def views(self) -> int:
        """That were trained on."""
        return 2 * self.schedule.batch_size * self.done

    @property
    def views_per_second(self) -> float:
        """In this epoch, as far as this process trained it."""
        steps = self.done - self._epoch_first
        return 2 * self.schedule.batch_size * steps / (time.perf_counter() - self._epoch_started)

    def record(self, values: dict[str, float], rate: float) -> None:
        """Count one more step. Raises Diverged for a loss that is NaN or infinite."""
        if not math.isfinite(values["loss"]):
            raise Diverged(self._where(f"the loss became {values['loss']}", self.done, rate))
        self.done, self.values, self.rate = self.done + 1, values, rate
        for name, value in values.items():
            self._sums[name] += value
        if self.ends_epoch:
            self._end_epoch()

    def _end_epoch(self) -> None:
        steps = self.done - (self.epoch - 1) * self.schedule.steps_per_epoch
        means = {name: total / steps for name, total in self._sums.items()}
        gap = None if self.minimum is None else means["loss"] - self.minimum
        row = {"epoch": self.epoch, "step": self.done, **means, "gap": gap, "learning_rate": self.rate}
        self.rows.append(row | {"views_per_second": self.views_per_second})
        self._sums.clear()
        self.start_epoch()

    def require_finite(self, finite: bool) -> None:
        """Raises Diverged if the weights after the last step are not `finite`."""
        if not finite:
            raise Diverged(self._where("the weights became NaN or infinite", self.done - 1, self.rate))

    def _where(self, what: str, step: int, rate: float) -> str:
        epoch, number = divmod(step, self.schedule.steps_per_epoch)
        values = ", ".join(f"{name} {value:.6g}" for name, value in self.values.items())
        before = f"the last finite values were {values}" if values else "no step was finite"
        return f"{what} in epoch {epoch + 1}, step {number + 1}, learning rate {rate:.4g}; {before}"

    def write_log(self, path: Path) -> None:
        """The log as CSV; of a run without epochs one empty row."""
        write_rows(path, self.rows or [{"epoch": None}])

    def state_dict(self) -> dict[str, Any]:
        kept = {"done": self.done, "rate": self.rate, "values": self.values, "rows": self.rows}
        return kept | {"sums": dict(self._sums), "seconds": self.seconds}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.done, self.rate, self.values, self.rows = (state[key] for key in ("done", "rate", "values", "rows"))
        self._sums = defaultdict(float, state["sums"])
        self._seconds_before = state["seconds"]
