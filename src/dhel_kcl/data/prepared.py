"""The prepared form of a data set: uint8 images and integer labels as memory-mapped arrays, with a manifest."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dhel_kcl.runtime.files import atomic, read_json, sha256, write_json

FILES = ("images.npy", "labels.npy", "part.npy")
PARTS = {"train": 0, "test": 1, "unlabeled": 2}


@dataclass(frozen=True)
class Prepared:
    """N images, with labels (N,) int64, part (N,) uint8, the official split as in PARTS, and manifest.

    images: (N, C, H, W) uint8. Where the manifest says "encoded": (bytes,) uint8, namely `offsets_of` it and then the
        images' files one after the other.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    part: NDArray[np.uint8]
    manifest: dict[str, Any]

    @property
    def encoded(self) -> bool:
        return bool(self.manifest.get("encoded"))

    @property
    def channels(self) -> int:
        return int(self.manifest["channels"] if self.encoded else self.images.shape[1])


def write(folder: Path, images: NDArray, labels: NDArray, part: NDArray, description: dict[str, Any]) -> None:
    """Write a prepared data set; manifest.json, written last, holds the shape and the SHA-256 of each file."""
    with atomic(folder / "images.npy") as file:
        np.save(file, images, allow_pickle=False)
    _complete(folder, labels, part, description | {"images": list(images.shape)})


def write_encoded(
    folder: Path, files: Iterable[Path], labels: NDArray, part: NDArray, description: dict[str, Any]
) -> None:
    """Write a prepared data set of colour images as the bytes of their own files (JPEG, PNG), N of them."""
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
    _complete(folder, labels, part, description | {"encoded": True, "images": [len(files)], "channels": 3})


def _complete(folder: Path, labels: NDArray, part: NDArray, description: dict[str, Any]) -> None:
    for name, array in (("labels.npy", labels), ("part.npy", part)):
        with atomic(folder / name) as file:
            np.save(file, array, allow_pickle=False)
    manifest = description | {
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
    data = Prepared(images, labels, part, manifest)
    count = manifest["images"][0]
    if data.encoded and not _are_files(data.images, count):
        raise ValueError(f"{folder / 'images.npy'} does not hold the {count} files its manifest states; {remedy}")
    shape = manifest["images"] if data.encoded else list(data.images.shape)
    if shape != manifest["images"] or len(data.labels) != count or len(data.part) != count:
        raise ValueError(f"{folder} holds arrays whose shapes disagree with its manifest; {remedy}")
    return data


def offsets_of(images: NDArray, count: int) -> NDArray[np.int64]:
    """Where each of `count` encoded images begins in `images`, and the last one ends."""
    return images[: 8 * (count + 1)].view("<i8")


def _are_files(images: NDArray, count: int) -> bool:
    if images.dtype != np.uint8 or images.ndim != 1 or len(images) < 8 * (count + 1):
        return False
    offsets = offsets_of(images, count)
    return bool(offsets[0] == 8 * (count + 1) and offsets[-1] == len(images) and (np.diff(offsets) > 0).all())
