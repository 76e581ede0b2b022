"""How far a Snakemake run is: one line instead of four a job, with the time that is left of the whole."""

import logging
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping
from statistics import fmean
from typing import Any, TextIO

DROPPED = ("job_info", "job_started", "job_finished", "progress", "shellcmd")
"""Events of Snakemake's log that the line stands for. Errors, with the logs of failed jobs, are none of them."""
CHATTER = "Select jobs to execute..."
SECONDS_BETWEEN_LINES = 30.0
"""Where the line can't be overwritten, as in a file."""


class Estimate:
    """Time left of a set of jobs, from how long finished jobs of each kind took and how many ran at once.

    Args:
        kinds: what each job is, by its number: jobs of a kind take about as long. The first entry of a kind says
            which rule it is; a kind of which none has finished is taken for the mean of its rule, or of all.
    """

    def __init__(self, kinds: Mapping[int, tuple[Hashable, ...]], now: float) -> None:
        self.waiting = dict(kinds)
        self.total = len(kinds)
        self.started = now
        self.running: dict[int, float] = {}
        self.durations: dict[tuple[Hashable, ...], list[float]] = defaultdict(list)
        self.failed = 0

    @property
    def done(self) -> int:
        return self.total - len(self.waiting)

    def start(self, job: int, now: float) -> None:
        self.running[job] = now

    def finish(self, job: int, now: float) -> None:
        if job in self.waiting:
            self.durations[self.waiting.pop(job)].append(now - self.running.pop(job, now))

    def fail(self, job: int) -> None:
        self.running.pop(job, None)
        self.failed += 1

    def seconds_left(self, now: float) -> float | None:
        """None before the first job has finished."""
        spent = sum(map(sum, self.durations.values()))
        if spent == 0:
            return None
        left = sum(map(self._expected, self.waiting.values())) - sum(now - start for start in self.running.values())
        at_once = max(1.0, spent / (now - self.started))
        return max(0.0, left) / at_once

    def _expected(self, kind: tuple[Hashable, ...]) -> float:
        of_rule = [seconds for other, all_ in self.durations.items() if other[0] == kind[0] for seconds in all_]
        of_any = [seconds for all_ in self.durations.values() for seconds in all_]
        return fmean(self.durations.get(kind) or of_rule or of_any)


class JobProgress(logging.Handler):
    """Follows Snakemake's log and keeps one line on a terminal; a line every half minute elsewhere.

    It stands before the handlers that print the log, and clears its line before any of them prints.
    """

    def __init__(self, kinds: Mapping[int, tuple[Hashable, ...]], stream: TextIO = sys.stderr) -> None:
        super().__init__()
        self.stream, self.overwrites = stream, stream.isatty()
        self.clock: Callable[[], float] = time.monotonic
        self.estimate = Estimate(kinds, self.clock())
        self.shown = self.clock()
        self.mutex = threading.Lock()

    def emit(self, record: logging.LogRecord) -> None:
        event, now = str(getattr(record, "event", None)), self.clock()
        with self.mutex:
            self._count(event, record, now)
            if not is_dropped(record):
                self.clear()
            elif event in ("job_info", "job_finished"):
                self._show(now)

    def _count(self, event: str, record: Any, now: float) -> None:
        if event == "job_info":
            self.estimate.start(record.jobid, now)
        elif event == "job_finished":
            self.estimate.finish(record.job_id, now)
        elif event == "job_error":
            self.estimate.fail(record.jobid)

    def _show(self, now: float) -> None:
        if self.overwrites:
            self.stream.write(f"\r\033[K{self.line(now)}")
        elif now - self.shown < SECONDS_BETWEEN_LINES:
            return
        else:
            self.stream.write(self.line(now) + "\n")
        self.shown = now
        self.stream.flush()

    def line(self, now: float) -> str:
        estimate = self.estimate
        left = estimate.seconds_left(now)
        failed = f", {estimate.failed} failed" if estimate.failed else ""
        return f"{estimate.done} of {estimate.total} jobs{failed}; {duration(now - estimate.started)} gone, " + (
            "time left not known yet" if left is None else f"about {duration(left)} left"
        )

    def clear(self) -> None:
        if self.overwrites:
            self.stream.write("\r\033[K")
            self.stream.flush()

    def end(self, message: str) -> None:
        """Show the last state and what to say at the end."""
        self.clear()
        self.stream.write(f"{self.estimate.done} of {self.estimate.total} jobs in ")
        self.stream.write(f"{duration(self.clock() - self.estimate.started)}. {message}\n")
        self.stream.flush()


def is_dropped(record: logging.LogRecord) -> bool:
    """Whether the line stands for a record of Snakemake's log."""
    return str(getattr(record, "event", None)) in DROPPED or record.msg == CHATTER


def follow(logger: logging.Logger, kinds: Mapping[int, tuple[Hashable, ...]]) -> JobProgress:
    """Let one line stand for what `logger` says of each job on a stream; log files get all of it."""
    progress = JobProgress(kinds)
    for handler in logger.handlers:
        if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
            handler.addFilter(lambda record: not is_dropped(record))
    logger.handlers.insert(0, progress)
    return progress


def duration(seconds: float) -> str:
    """12 s, 3 min, 2 h 05 min."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
