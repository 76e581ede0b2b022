"""Images of various sizes, decoded as they are needed by the worker processes of torch's DataLoader.

The workers cut out the crops, by the law of torchvision's RandomResizedCrop and exactly as it does with PIL; flip,
colours, grey and blur follow in batches on the device. All that is random is drawn in this process, batch by batch, so
what a batch holds depends neither on the number of workers nor on what is prepared ahead.
"""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from multiprocessing import resource_tracker
from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from dhel_kcl.data.images import decode
from dhel_kcl.data.prepared import Prepared, offsets_of
from dhel_kcl.views.augment import Augment
from dhel_kcl.views.crops import Crops
from dhel_kcl.views.parameters import Parameters
from dhel_kcl.views.view_source import Batch, Source

CENTRE = 0.875
"""Side of the central square as a share of the image's shorter side."""
START = "spawn"
"""How workers start. A fork is unsafe beside NCCL and keeps this process's file locks; workers of a fork server are
not its children and outlive it."""
STRIP = 16
"""Shorter sides that the longer one of an image keeps at most."""
FEW = 1000
"""Images that this process decodes itself in less time than workers take to start."""
STOP = {signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP}
"""Signals that ask a training to stop; workers go on until their process ends them."""


class Task(NamedTuple):
    """Squares of size x size pixels from one image: `copies` random crops, or without crops the centre."""

    row: int
    size: int
    copies: int = 1
    crops: Crops | None = None


class Files(Dataset[Tensor]):
    """The images of a prepared data set of encoded ones; opened by the process that reads them."""

    def __init__(self, path: str, count: int, upright: bool = False) -> None:
        self.path, self.count, self.upright = path, count, upright

    @cached_property
    def content(self) -> NDArray[np.uint8]:
        return np.load(self.path, mmap_mode="r", allow_pickle=False)

    def __getitem__(self, task: Task) -> Tensor:
        """Squares (copies, size, size, 3) uint8. Raises ValueError naming file and image."""
        start, end = offsets_of(self.content, self.count)[task.row : task.row + 2]
        try:
            image = decode(self.content[start:end].tobytes(), self.upright)
            squares = cut(image, task.size, task.copies, task.crops)
        except ValueError as error:
            raise ValueError(f"{self.path}: image {task.row} cannot be decoded ({error})") from error
        return torch.from_numpy(np.stack([np.asarray(square) for square in squares]))


class Streaming(Source):
    """The images `rows` of encoded ones; few of them are decoded by this process, however many workers there may be."""

    def __init__(self, files: Files, rows: NDArray, device: torch.device, workers: int) -> None:
        self.files, self.rows, self.device = files, rows, device
        self.workers = workers if len(rows) >= FEW else 0

    @classmethod
    def open(cls, data: Prepared, rows: NDArray, device: torch.device, workers: int) -> Self:
        assert isinstance(data.images, np.memmap)
        files = Files(str(data.images.filename), len(data.labels), data.manifest.upright)
        return cls(files, rows, device, workers)

    def __len__(self) -> int:
        return len(self.rows)

    def views(self, batches: Iterable[Batch], augment: Augment) -> Iterator[Tensor]:
        if augment.size is None or augment.rotation:
            raise ValueError("images of various sizes need augment.size, and go with neither rotation nor pad")
        size, after_crop = augment.size, replace(augment, crop_scale=(1.0, 1.0), size=None)
        drawn: deque[Parameters] = deque()  # of the batches that are prepared

        def tasks() -> Iterator[list[Task]]:
            for batch in batches:
                generator, own = batch.generator(), batch.own_views
                crops = augment.draw_crops(batch.copies * len(batch.index), generator)
                rest = after_crop.draw(batch.copies * len(batch.index), size, size, generator)
                drawn.append(rest.rows(own))
                rows = self.rows[batch.index[batch.own_images]].tolist()
                copies = own.reshape(batch.copies, -1).T
                yield [
                    Task(row, size, batch.copies, crops and crops.rows(views))
                    for row, views in zip(rows, copies, strict=True)
                ]

        for squares in self._squares(tasks()):
            with torch.autocast(self.device.type, enabled=False):
                views = after_crop.apply(squares, drawn.popleft())
            yield views

    def plain(self, batch: int, size: int | None = None) -> Iterator[Tensor]:
        """Central squares: the shorter side resized to size / 0.875, bicubic, and size x size pixels cut out."""
        if size is None:
            raise ValueError("images of various sizes need a size to be evaluated at")
        parts = (self.rows[start : start + batch].tolist() for start in range(0, len(self), batch))
        for squares in self._squares([Task(row, size) for row in part] for part in parts):
            yield squares.float().div_(255)

    def _squares(self, tasks: Iterable[list[Task]]) -> Iterator[Tensor]:
        """For each batch its squares (copies * n, 3, size, size) uint8 on the device."""
        loader = DataLoader(
            self.files,
            batch_sampler=tasks,
            collate_fn=collate,
            num_workers=self.workers,
            multiprocessing_context=START if self.workers else None,
            worker_init_fn=serve,
            pin_memory=self.device.type == "cuda",
            generator=torch.Generator(),  # not the global one, from which it would draw
        )
        try:
            for squares in begin(loader):
                yield squares.to(self.device, non_blocking=True).permute(0, 3, 1, 2).contiguous()
        except ValueError as error:  # a worker's message is the last line of a traceback
            raise ValueError(str(error).strip().splitlines()[-1].removeprefix("ValueError: ")) from None


def begin(loader: DataLoader[Tensor]) -> Iterator[Tensor]:
    """Start the workers. They inherit that requests to stop are blocked."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP)
    try:
        resource_tracker.ensure_running()  # one more process; to start it unblocks some signals
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP)
        return iter(loader)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def serve(worker: int) -> None:
    """End this worker when the process that it serves terminates it or is gone.

    Requests to stop from anyone else are for that process, which finishes its step first.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        while parent.is_alive():
            request = signal.sigtimedwait(STOP, 0.5)
            if request and (request.si_signo, request.si_pid) == (signal.SIGTERM, parent.pid):
                break
        os._exit(0)  # as torch does; any other status is an error in the DataLoader

    threading.Thread(target=watch, daemon=True).start()


def collate(squares: list[Tensor]) -> Tensor:
    """All first copies, then all second ones."""
    return torch.stack(squares, dim=1).flatten(0, 1)


def cut(image: Image.Image, size: int, copies: int, crops: Crops | None) -> list[Image.Image]:
    """`copies` squares of size x size pixels from an image, bicubic and antialiased."""
    if crops is None:
        return [central(image, size)] * copies
    boxes = crops.boxes(image.height, image.width).astype(int).tolist()
    parts = [image.crop((left, top, left + wide, top + tall)) for top, left, tall, wide in boxes]
    return [part.resize((size, size), Image.Resampling.BICUBIC) for part in parts]


def central(image: Image.Image, size: int) -> Image.Image:
    """The central square of the image after its shorter side is resized to size / CENTRE."""
    short, image = round(size / CENTRE), without_ends(image)
    width, height = (short * side // min(image.size) for side in image.size)
    left, top = round((width - size) / 2), round((height - size) / 2)
    resized = image.resize((width, height), Image.Resampling.BICUBIC)
    return resized.crop((left, top, left + size, top + size))


def without_ends(image: Image.Image) -> Image.Image:
    """A strip without the ends that are far from its central square: resized whole, one of a pixel's width would need
    gigabytes. Even multiples of the shorter side go, so that the square stays where it was in whole pixels, halves
    rounded to even."""
    side = min(image.size)
    left, top = (max(0, (length // side - STRIP) // 4) * 2 * side for length in image.size)
    return image.crop((left, top, image.width - left, image.height - top)) if left or top else image
