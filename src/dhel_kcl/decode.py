"""Cuts squares out of encoded images, as torchvision does with PIL; run as a program, one process of `streaming`.

Without torch, so that a process starts in a fraction of a second and takes little memory.
"""

import contextlib
import io
import os
import pickle
import signal
import sys
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dhel_kcl.crops import Crops
from dhel_kcl.datasets.prepared import offsets_of

CENTRE = 0.875
"""Side of the central square as a share of the image's shorter side."""
MESSAGE = 4
"""Bytes that state the length of an error message in a process's answer; 0 for none."""


class Task(NamedTuple):
    """Squares of size x size pixels from n images: `copies` random crops of each, or without crops the centre."""

    rows: NDArray
    size: int
    copies: int = 1
    crops: Crops | None = None
    """(copies * n): the first crop of every image, then the second ones."""


class Decoder:
    """Reads the images of a prepared data set."""

    def __init__(self, path: str, count: int) -> None:
        self.path, self.images = path, np.load(path, mmap_mode="r", allow_pickle=False)
        self.offsets = offsets_of(self.images, count)

    def fill(self, task: Task, out: NDArray) -> None:
        """Write the squares to `out` (copies, n, 3, size, size). Raises ValueError naming file and image."""
        for place, row in enumerate(task.rows.tolist()):
            content = self.images[self.offsets[row] : self.offsets[row + 1]].tobytes()
            crops = task.crops and task.crops.rows(slice(place, None, len(task.rows)))
            try:
                squares = cut(content, task.size, task.copies, crops)
            except Exception as error:  # damaged files make PIL raise many kinds
                raise ValueError(
                    f"{self.path}: image {row} cannot be decoded ({error or type(error).__name__})"
                ) from error
            for copy, square in enumerate(squares):
                out[copy, place] = np.asarray(square).transpose(2, 0, 1)


def cut(content: bytes, size: int, copies: int, crops: Crops | None) -> list[Image.Image]:
    """`copies` squares of size x size pixels from an encoded image, bicubic and antialiased."""
    with Image.open(io.BytesIO(content)) as file:
        image = file.convert("RGB")
    if crops is None:
        return [central(image, size)] * copies
    boxes = crops.boxes(image.height, image.width).astype(int).tolist()
    parts = [image.crop((left, top, left + wide, top + tall)) for top, left, tall, wide in boxes]
    return [part.resize((size, size), Image.Resampling.BICUBIC) for part in parts]


def central(image: Image.Image, size: int) -> Image.Image:
    """The central square of the image after its shorter side is resized to size / CENTRE."""
    short = round(size / CENTRE)
    width, height = (short * side // min(image.size) for side in image.size)
    left, top = round((width - size) / 2), round((height - size) / 2)
    resized = image.resize((width, height), Image.Resampling.BICUBIC)
    return resized.crop((left, top, left + size, top + size))


def main() -> None:
    """Answer tasks from standard input on standard output, until its other end is closed.

    Requests to stop are for the process at the other end, which finishes its step and then closes.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    path, count = sys.argv[1:]
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no answer
    decoder = Decoder(path, int(count))
    with contextlib.suppress(EOFError, BrokenPipeError), answers:
        while True:
            task = Task(*pickle.load(sys.stdin.buffer))
            squares, message = np.empty((task.copies, len(task.rows), 3, task.size, task.size), np.uint8), b""
            try:
                decoder.fill(task, squares)
            except Exception as error:
                message, squares = str(error).encode(), squares[:0]
            answers.write(len(message).to_bytes(MESSAGE, "little") + message)
            answers.write(squares.data)
            answers.flush()


if __name__ == "__main__":
    main()
