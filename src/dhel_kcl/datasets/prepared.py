"""The prepared form of a data set: uint8 images and integer labels as memory-mapped arrays, with a manifest."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dhel_kcl.files import atomic, read_json, sha256, write_json

FILES = ("images.npy", "labels.npy", "part.npy")
PARTS = {"train": 0, "test": 1}


@dataclass(frozen=True)
class Prepared:
    """images (N, C, H, W) uint8; labels (N,) int64; part (N,) uint8, the official split as in PARTS; manifest."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    part: NDArray[np.uint8]
    manifest: dict[str, Any]


def write(folder: Path, images: NDArray, labels: NDArray, part: NDArray, description: dict[str, Any]) -> None:
    """Write a prepared data set; manifest.json, written last, holds the shape and the SHA-256 of each file."""
    for name, array in zip(FILES, (images, labels, part), strict=True):
        with atomic(folder / name) as file:
            np.save(file, array, allow_pickle=False)
    manifest = description | {
        "images": list(images.shape),
        "classes": int(labels.max()) + 1,
        "sha256": {name: sha256(folder / name) for name in FILES},
    }
    write_json(folder / "manifest.json", manifest)


def read(folder: Path, verify: bool = False) -> Prepared:
    """Open a prepared data set, memory-mapped.

    Raises FileNotFoundError for a missing file and ValueError for one whose SHA-256 (with `verify`) or shape is
    not the manifest's; both name the file and the remedy.
    """
    remedy = f"delete {folder} and run `snakemake --cores all` (or `dvc pull`) to restore it"
    for name in ("manifest.json", *FILES):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder / name} is missing; {remedy}")
    manifest = read_json(folder / "manifest.json")
    if verify:
        for name in FILES:
            if sha256(folder / name) != manifest["sha256"][name]:
                raise ValueError(f"{folder / name} does not have the content its manifest states; {remedy}")
    images, labels, part = (np.load(folder / name, mmap_mode="r", allow_pickle=False) for name in FILES)
    if list(images.shape) != manifest["images"] or len(labels) != len(images) or len(part) != len(images):
        raise ValueError(f"{folder} holds arrays whose shapes disagree with its manifest; {remedy}")
    return Prepared(images, labels, part, manifest)
