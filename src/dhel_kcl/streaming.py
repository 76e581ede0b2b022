"""Images of various sizes, decoded as they are needed by processes that do nothing else.

The processes cut out the crops, by the law of torchvision's RandomResizedCrop and exactly as it does with PIL; flip,
colours, grey and blur follow in batches on the device. What a batch holds depends neither on the number of processes
nor on what was prefetched.

The processes are programs of their own (`dhel_kcl.decode`) rather than forks: a fork would share CUDA's state, and a
spawned copy of this program would import torch. Each is served by a thread that reads its answers straight into the
memory that is copied to the device; when this process ends, however it does, their input ends and so do they.
"""

import os
import pickle
import queue
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dhel_kcl import decode
from dhel_kcl.augment import Augment, Parameters
from dhel_kcl.crops import Crops
from dhel_kcl.datasets.prepared import Prepared
from dhel_kcl.decode import MESSAGE, Decoder, Task
from dhel_kcl.images import Batch, Source

TASK = 4
"""Images that a process decodes at a time."""
AHEAD = 2
"""Batches of plain images that are prepared while one is used."""


class Pending(NamedTuple):
    """Squares (copies, n, 3, size, size) uint8 on the host that are being filled in, and by whom."""

    squares: Tensor
    tasks: list[Future[None]]


class Filler(Protocol):
    def fill(self, task: Task, out: NDArray) -> None: ...


class Process:
    """A `Decoder` in a process of its own."""

    def __init__(self, path: str, count: int) -> None:
        # The same modules as here, and one thread: the processes are as many as there are processors.
        environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OPENBLAS_NUM_THREADS": "1"}
        self.process: Any = subprocess.Popen(
            [sys.executable, "-m", decode.__name__, path, str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | environment,
            start_new_session=True,  # an interrupt from the keyboard is for this process alone
        )

    def fill(self, task: Task, out: NDArray) -> None:
        questions, answers = self.process.stdin, self.process.stdout
        try:
            pickle.dump(tuple(task), questions)
            questions.flush()
            message = answers.read(int.from_bytes(answers.read(MESSAGE), "little"))
            got = 0 if message else sum(answers.readinto(part) for part in out)
        except BrokenPipeError:
            message, got = b"", 0
        if message:
            raise ValueError(message.decode())
        if got < out.nbytes:
            raise RuntimeError(f"a process that decodes images ended (exit status {self.process.wait()}); run again")

    def close(self) -> None:
        self.process.communicate()


class Streaming(Source):
    """The images `rows` of a data set of encoded ones."""

    def __init__(self, data: Prepared, rows: NDArray, device: torch.device, workers: int) -> None:
        assert isinstance(data.images, np.memmap)
        path, count = str(data.images.filename), len(data.labels)
        self.rows, self.device, self.channels = rows, device, data.manifest["channels"]
        self._processes = [Process(path, count) for _ in range(workers)]
        self._idle: queue.SimpleQueue[Filler] = queue.SimpleQueue()
        fillers: Sequence[Filler] = self._processes or [Decoder(path, count)]
        for filler in fillers:
            self._idle.put(filler)
        self._threads = ThreadPoolExecutor(max(1, workers))
        self._pending: dict[tuple[bytes, str], Pending] = {}

    def __len__(self) -> int:
        return len(self.rows)

    def _views(self, batch: Batch) -> Tensor:
        crops, drawn = self._draw(batch)
        pending = self._pending.pop(_key(batch), None) or self._start_batch(batch, crops)
        with torch.autocast(self.device.type, enabled=False):
            return _after_crop(batch.augment).apply(self._collect(pending), drawn)

    def _prefetch(self, batch: Batch) -> None:
        if _key(batch) not in self._pending:
            self._pending[_key(batch)] = self._start_batch(batch, self._draw(batch)[0])

    def plain(self, batch: int, size: int | None = None) -> Iterator[Tensor]:
        """Central squares: the shorter side resized to size / 0.875, bicubic, and size x size pixels cut out."""
        if size is None:
            raise ValueError("images of various sizes need a size to be evaluated at")
        parts = (self._start(self.rows[start : start + batch], size) for start in range(0, len(self), batch))
        pending = deque(islice(parts, AHEAD))
        while pending:
            pending.extend(islice(parts, 1))
            yield self._collect(pending.popleft()).float().div_(255)

    def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)
        for process in self._processes:
            process.close()

    def _draw(self, batch: Batch) -> tuple[Crops | None, Parameters]:
        """Crops of the whole batch, and of this rank's views the further parameters."""
        generator, count = batch.generator(), batch.copies * len(batch.index)
        crops = batch.augment.draw_crops(count, generator)
        size = _size(batch.augment)
        return crops, _after_crop(batch.augment).draw(count, size, size, generator).rows(batch.own_views)

    def _start_batch(self, batch: Batch, crops: Crops | None) -> Pending:
        rows = self.rows[batch.index[batch.own_images]]
        return self._start(rows, _size(batch.augment), batch.copies, crops and crops.rows(batch.own_views))

    def _start(self, rows: NDArray, size: int, copies: int = 1, crops: Crops | None = None) -> Pending:
        shape = (copies, len(rows), self.channels, size, size)
        squares = torch.empty(shape, dtype=torch.uint8, pin_memory=self.device.type == "cuda")
        order = np.arange(copies * len(rows)).reshape(copies, -1)
        parts = [slice(start, start + TASK) for start in range(0, len(rows), TASK)]
        tasks = []
        for part in parts:
            task = Task(rows[part], size, copies, crops and crops.rows(order[:, part].ravel()))
            tasks.append(self._threads.submit(self._fill, task, squares.numpy()[:, part]))
        return Pending(squares, tasks)

    def _fill(self, task: Task, out: NDArray) -> None:
        filler = self._idle.get()
        try:
            filler.fill(task, out)
        finally:
            self._idle.put(filler)

    def _collect(self, pending: Pending) -> Tensor:
        """The squares (copies * n, 3, size, size) on the device, when they are there."""
        for task in pending.tasks:
            task.result()
        return pending.squares.flatten(0, 1).to(self.device, non_blocking=True)


def _size(augment: Augment) -> int:
    if augment.size is None or augment.rotation:
        raise ValueError("images of various sizes need augment.size, and go with neither rotation nor pad")
    return augment.size


def _after_crop(augment: Augment) -> Augment:
    return replace(augment, crop_scale=(1.0, 1.0), size=None)


def _key(batch: Batch) -> tuple[bytes, str]:
    return batch.index.tobytes(), repr((batch.augment, batch.seed, batch.copies, batch.rank, batch.world))
