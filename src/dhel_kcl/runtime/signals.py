"""Requests to stop that a long job can finish its step before."""

import signal
from types import FrameType, TracebackType
from typing import Any, Self

REQUESTS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)
INTERRUPTED = 75
"""Exit status of a job that was asked to stop and left what it can go on from (EX_TEMPFAIL: try again)."""


class StopRequest:
    """Within its block the signals of REQUESTS are remembered instead of ending the process; called, says if one came.
    The end of a terminal (SIGHUP) stays ignored where it is, as by `nohup`.

    received: name of the signal that came last.
    """

    def __init__(self) -> None:
        self.received: str | None = None
        self._handlers: dict[signal.Signals, Any] = {}

    def __call__(self) -> bool:
        return self.received is not None

    def __enter__(self) -> Self:
        deaf = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        asked = [number for number in REQUESTS if not (deaf and number == signal.SIGHUP)]
        self._handlers = {number: signal.signal(number, self._remember) for number in asked}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is SystemExit:  # a second request is not to cut short a process that ends by the first one
            return
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self.received = signal.Signals(number).name
