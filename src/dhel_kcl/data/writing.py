"""Writes the prepared form of a data set, for the sources. Those who only read it do not depend on this module."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dhel_kcl.data.prepared import FILES, PARTS, Description, Manifest
from dhel_kcl.files import atomic, sha256, write_json


def write(folder: Path, images: NDArray, labels: NDArray, part: NDArray, description: Description) -> None:
    """Write a prepared data set of images of one size.

    Args:
        folder: to write; manifest.json comes last, with the shape and the SHA-256 of each file.
        images: (N, C, H, W) uint8.
        labels: (N,) int64, in 0 ... classes - 1.
        part: (N,) uint8, as in `prepared.PARTS`.
        description: where it comes from.
    """
    with atomic(folder / "images.npy") as file:
        np.save(file, images, allow_pickle=False)
    _complete(folder, images.shape, labels, part, description, encoded=False)


def write_parts(
    folder: Path, parts: Mapping[str, tuple[NDArray, NDArray]], classes: int, description: Description
) -> None:
    """Write a prepared data set from its official parts.

    Args:
        folder: to write.
        parts: images (N, C, H, W) uint8 and labels (N,) by the name of the part, as in `prepared.PARTS`.
        classes: number of them.
        description: where it comes from.

    Raises ValueError for labels that do not fit the images or the part.
    """
    for name, (images, labels) in parts.items():
        if len(images) != len(labels):
            raise ValueError(f"{len(images)} {name} images have {len(labels)} labels")
        least, most = labels.min(), labels.max()
        if most >= classes or (least < 0 if name != "unlabeled" else least != -1 or most != -1):
            raise ValueError(f"{name} labels range from {least} to {most}")
    counts = [len(labels) for _, labels in parts.values()]
    first = next(iter(parts.values()))[0]
    joined = np.empty((sum(counts), *first.shape[1:]), np.uint8)
    np.concatenate([images for images, _ in parts.values()], out=joined)
    labels = np.concatenate([labels for _, labels in parts.values()]).astype(np.int64)
    part = np.repeat(np.array([PARTS[name] for name in parts], np.uint8), counts)
    write(folder, joined, labels, part, description)


def write_encoded(
    folder: Path, files: Iterable[Path], labels: NDArray, part: NDArray, description: Description
) -> None:
    """Write a prepared data set of colour images as the bytes of their own files (JPEG, PNG), N of them.

    Raises ValueError naming a file that changes meanwhile.
    """
    files = list(files)
    sizes = [path.stat().st_size for path in files]
    offsets = np.cumsum([8 * (len(files) + 1), *sizes], dtype="<i8")
    with atomic(folder / "images.npy") as stored:
        header = {"descr": "|u1", "fortran_order": False, "shape": (int(offsets[-1]),)}
        np.lib.format.write_array_header_1_0(stored, header)
        stored.write(offsets.tobytes())
        for path, size in zip(files, sizes, strict=True):
            if stored.write(path.read_bytes()) != size:
                raise ValueError(f"{path} changed while it was read; run the same command again")
    _complete(folder, (len(files),), labels, part, description, encoded=True)


def _complete(
    folder: Path, shape: tuple[int, ...], labels: NDArray, part: NDArray, description: Description, *, encoded: bool
) -> None:
    """Write what comes after the images."""
    for name, array in (("labels.npy", labels), ("part.npy", part)):
        with atomic(folder / name) as file:
            np.save(file, array, allow_pickle=False)
    sums = {name: sha256(folder / name) for name in FILES}
    manifest = Manifest(description, shape, int(labels.max()) + 1, sums, encoded)
    write_json(folder / "manifest.json", manifest.as_dict())
