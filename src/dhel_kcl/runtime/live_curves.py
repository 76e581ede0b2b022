"""Curves of a training while it lasts, for TensorBoard, whose package is imported only where they are asked for."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the workflow imports this module, and no torch
    from dhel_kcl.training.progress import Progress

PROGRAMS = ("tensorboard",)
"""What curves can be written for."""
EVERY = 50
"""Steps from one point of `step/...` to the next."""


def require_package() -> None:
    """Raise ValueError that says what to install if the package tensorboard is missing."""
    if find_spec("tensorboard") is None:
        raise ValueError("the package tensorboard is not installed; pip install 'dhel-kcl[live]' brings it")


class LiveCurves:
    """The columns of the training's log as `epoch/...`, and the last step's loss and its parts, every EVERY steps, as
    `step/...`, over the steps done: event files in `folder`. Called after each step.

    Of points that an earlier process wrote, those that this one comes to again are withdrawn. Raises OSError that names
    `folder`, with the remedy, where its disk takes no more.
    """

    def __init__(self, progress: "Progress", folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.folder = folder
        with self._explained():
            self.writer = SummaryWriter(folder, purge_step=progress.done + 1)

    def __call__(self, progress: "Progress") -> None:
        if progress.done % EVERY == 0:
            self._add("step", progress.values, progress.done)
        if progress.ends_epoch:
            row = {name: value for name, value in progress.rows[-1].items() if name not in ("epoch", "step")}
            self._add("epoch", row, progress.done)

    def close(self) -> None:
        self.writer.close()

    def _add(self, group: str, values: Mapping[str, float | None], step: int) -> None:
        with self._explained():
            for name, value in values.items():
                if value is not None:
                    self.writer.add_scalar(f"{group}/{name}", value, step)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            remedy = "mend that, or leave out --live, and run the same command again"
            message = f"no curves can be written ({error.strerror}); {remedy}"
            raise OSError(error.errno, message, str(self.folder)) from error
