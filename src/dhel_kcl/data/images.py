"""Image files: the one way in which they are decoded, and a check of many of them before anything is made of them."""

import hashlib
import io
import os
import re
from collections.abc import Sequence
from multiprocessing.pool import ThreadPool
from pathlib import Path

from PIL import Image, UnidentifiedImageError
from tqdm import tqdm

MODES = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB", "HSV")
"""PIL's modes of 8 bits a channel, whose conversion to RGB keeps what is seen. Of the others (16 bits, integers,
floats) it cuts all levels above 255."""
SUFFIXES = {".jpeg", ".jpg", ".png"}
"""Of files that are taken for images; what is in them decides how they are read."""
ADDRESS = re.compile(r"<[^<>]* object at 0x[0-9a-fA-F]+>")


def decode(content: bytes) -> Image.Image:
    """The image in the bytes of a file, as RGB. Raises ValueError, which says why, if it cannot be had."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.mode not in MODES:
                raise ValueError(f"its pixels have more than 8 bits (mode {image.mode}): save it with 8 bits a channel")
            return image.convert("RGB")
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

    def check(path: Path) -> tuple[str, str]:
        content = path.read_bytes()
        try:
            decode(content)
        except ValueError as error:
            return "", f"{path} cannot be read: {error}"
        return hashlib.sha256(content).hexdigest(), ""

    with ThreadPool(os.cpu_count()) as pool:  # decoding releases Python's lock
        checked = list(tqdm(pool.imap(check, paths, 16), total=len(paths), unit="image", mininterval=1))
    if faults := [fault for _, fault in checked if fault]:
        raise ValueError("\n".join([*faults, f"{len(faults)} of {len(paths)} images: replace them or take them away"]))
    return [checksum for checksum, _ in checked]
