"""Image files: the one way in which they are decoded, and a check of many of them before anything is made of them."""

import hashlib
import io
import os
import re
from collections.abc import Callable, Sequence
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from tqdm import tqdm

T = TypeVar("T")

MODES = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB", "HSV")
"""PIL's modes of 8 bits a channel, whose conversion to RGB keeps what is seen. Of the others (16 bits, integers,
floats) it cuts all levels above 255."""
SUFFIXES = {".jpeg", ".jpg", ".png"}
"""Of files that are taken for images; what is in them decides how they are read."""
ADDRESS = re.compile(r"<[^<>]* object at 0x[0-9a-fA-F]+>")


def decode(content: bytes, upright: bool = False) -> Image.Image:
    """The image in the bytes of a file, as RGB. Raises ValueError, which says why, if it cannot be had.

    upright: turn it as its EXIF data say, as cameras mean it; torchvision, and so the literature, does not.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.mode not in MODES:
                raise ValueError(f"its pixels have more than 8 bits (mode {image.mode}): save it with 8 bits a channel")
            turned = ImageOps.exif_transpose(image) if upright else image
            return turned.convert("RGB")
    except UnidentifiedImageError:
        raise ValueError("it is no image" if content else "it is empty") from None
    except Exception as error:  # damaged files make PIL raise many kinds
        reason = " ".join(ADDRESS.sub("the file", str(error)).split()) or type(error).__name__
        raise ValueError(reason) from error


def is_named_image(path: Path) -> bool:
    """Whether a file's name is an image's. What begins with a dot is not: macOS writes ._x.jpeg beside x.jpeg."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()


def checksums(paths: Sequence[Path]) -> list[str]:
    """SHA-256 of each file, after it was decoded. Raises ValueError naming every file that is no sound image."""

    def check(content: bytes) -> str:
        decode(content)
        return hashlib.sha256(content).hexdigest()

    return _of_each(paths, check)


def squares(paths: Sequence[Path], size: int) -> tuple[NDArray[np.uint8], list[str]]:
    """Pixels (N, 3, size, size) of each image, upright, its shorter side resized and its centre cut out, and the
    SHA-256 of its file. Raises ValueError naming every file that is no sound image."""

    def cut(content: bytes) -> tuple[NDArray[np.uint8], str]:
        square = ImageOps.fit(decode(content, upright=True), (size, size), Image.Resampling.BICUBIC)
        return np.asarray(square).transpose(2, 0, 1), hashlib.sha256(content).hexdigest()

    pixels, sums = zip(*_of_each(paths, cut), strict=True)
    return np.stack(pixels), list(sums)


def digest_of(paths: Sequence[Path], sums: Sequence[str]) -> str:
    """SHA-256 over the folder, name and content of every file. sums: the files' own."""
    lines = [f"{path.parent.name}/{path.name} {content}\n" for path, content in zip(paths, sums, strict=True)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _of_each(paths: Sequence[Path], make: Callable[[bytes], T]) -> list[T]:
    """What `make` makes of each file's content. Raises ValueError naming every file of which it makes none."""

    def attempt(path: Path) -> tuple[T | None, str]:
        try:
            return make(path.read_bytes()), ""
        except ValueError as error:
            return None, f"{path} cannot be read: {error}"

    with ThreadPool(os.cpu_count()) as pool:  # decoding releases Python's lock
        attempts = list(tqdm(pool.imap(attempt, paths, 16), total=len(paths), unit="image", mininterval=1))
    if faults := [fault for _, fault in attempts if fault]:
        raise ValueError("\n".join([*faults, f"{len(faults)} of {len(paths)} images: replace them or take them away"]))
    return [made for made, _ in attempts if made is not None]
