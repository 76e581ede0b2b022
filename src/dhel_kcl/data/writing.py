"""Writes the prepared form of a data set, for the sources. Those who only read it do not depend on this module.

All is checked before anything is written: type, shape and range of the images, labels, parts, each image's file.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dhel_kcl.data.arrays import check_classes, check_images, check_labels
from dhel_kcl.data.images import checksums, digest_of
from dhel_kcl.data.prepared import FILES, PARTS, Description, Manifest
from dhel_kcl.files import atomic, sha256, write_json


def write(folder: Path, images: NDArray, labels: NDArray, part: NDArray, description: Description) -> None:
    """Write a prepared data set of images of one size.

    Args:
        folder: to write; manifest.json comes last, with the shape and the SHA-256 of each file.
        images: (N, C, H, W) uint8, C = 1 or 3.
        labels: (N,) integers, in 0 ... classes - 1; -1 for unlabeled images.
        part: (N,), as in `prepared.PARTS`.
        description: where it comes from.

    Raises ValueError for anything else, with the remedy.
    """
    check_images(description.name, images)
    labels, part = np.asarray(labels), np.asarray(part)
    check_labels(description.name, labels, part, len(images))
    check_classes(description.name, labels, part)
    _write(folder, images, labels, part, description)


def write_parts(
    folder: Path, parts: Mapping[str, tuple[NDArray, NDArray]], classes: int, description: Description
) -> None:
    """Write a prepared data set from its official parts.

    Args:
        folder: to write.
        parts: images (N, C, H, W) uint8 and labels (N,) by the name of the part, as in `prepared.PARTS`.
        classes: number of them.
        description: where it comes from.

    Raises ValueError for images that are no bytes, and for labels that do not fit the images or the part.
    """
    for name, (images, labels) in parts.items():
        check_images(f"{description.name}, {name} part", images)
        if len(images) != len(labels):
            raise ValueError(f"{len(images)} {name} images have {len(labels)} labels")
        least, most = labels.min(), labels.max()
        if most >= classes or (least < 0 if name != "unlabeled" else least != -1 or most != -1):
            raise ValueError(f"{name} labels range from {least} to {most}")
    counts = [len(labels) for _, labels in parts.values()]
    first = next(iter(parts.values()))[0]
    joined = np.empty((sum(counts), *first.shape[1:]), np.uint8)
    np.concatenate([images for images, _ in parts.values()], out=joined)
    labels = np.concatenate([labels for _, labels in parts.values()])
    part = np.repeat([PARTS[name] for name in parts], counts)
    _write(folder, joined, labels, part, description)


def write_encoded(
    folder: Path,
    files: Iterable[Path],
    labels: NDArray,
    part: NDArray,
    description: Description,
    *,
    upright: bool = False,
) -> None:
    """Write a prepared data set of colour images as the bytes of their own files (JPEG, PNG), N of them.

    upright: whether readers turn the images as their EXIF data say.

    Each file is decoded once. manifest.json gets a SHA-256 over the folder, name and content of every file.

    Raises ValueError for labels and parts that `write` would refuse, and naming every file that is no sound image of 8
    bits a channel, or one that changes meanwhile.
    """
    files, labels, part = list(files), np.asarray(labels), np.asarray(part)
    check_labels(description.name, labels, part, len(files))
    check_classes(description.name, labels, part)
    contents = checksums(files)
    details = {**description.details, "files_sha256": digest_of(files, contents)}
    description = replace(description, details=details)
    sizes = [path.stat().st_size for path in files]
    offsets = np.cumsum([8 * (len(files) + 1), *sizes], dtype="<i8")
    with atomic(folder / "images.npy") as stored:
        header = {"descr": "|u1", "fortran_order": False, "shape": (int(offsets[-1]),)}
        np.lib.format.write_array_header_1_0(stored, header)
        stored.write(offsets.tobytes())
        for path, checksum in zip(files, contents, strict=True):
            content = path.read_bytes()
            if hashlib.sha256(content).hexdigest() != checksum:
                raise ValueError(f"{path} changed while it was read; run the same command again")
            stored.write(content)
    _complete(folder, (len(files),), labels, part, description, encoded=True, upright=upright)


def _write(folder: Path, images: NDArray, labels: NDArray, part: NDArray, description: Description) -> None:
    with atomic(folder / "images.npy") as file:
        np.save(file, images, allow_pickle=False)
    _complete(folder, images.shape, labels, part, description)


def _complete(
    folder: Path,
    shape: tuple[int, ...],
    labels: NDArray,
    part: NDArray,
    description: Description,
    *,
    encoded: bool = False,
    upright: bool = False,
) -> None:
    """Write what comes after the images."""
    labels, part = labels.astype(np.int64), part.astype(np.uint8)
    for name, array in (("labels.npy", labels), ("part.npy", part)):
        with atomic(folder / name) as file:
            np.save(file, array, allow_pickle=False)
    sums = {name: sha256(folder / name) for name in FILES}
    manifest = Manifest(description, shape, int(labels.max()) + 1, sums, encoded, upright)
    write_json(folder / "manifest.json", manifest.as_dict())
