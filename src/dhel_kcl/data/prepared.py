"""The prepared form of a data set: uint8 images and integer labels as memory-mapped arrays, with a manifest."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dhel_kcl.files import read_json, reading, sha256

FILES = ("images.npy", "labels.npy", "part.npy")
PARTS = {"train": 0, "test": 1, "unlabeled": 2, "validation": 3}
"""Values of `Prepared.part`, the official parts. Unlabeled images have the label -1: pretraining may use them, the
evaluation never sees them. A data set without official test and validation parts is all "train"."""

Detail = str | list[str] | dict[str, str]


@dataclass(frozen=True)
class Description:
    """Where a data set comes from, as manifest.json keeps it."""

    name: str
    source: str
    """Where these files were taken from: an address, a folder, a package."""
    origin: str
    """Where the data set was first published."""
    citation: str
    licence: str
    details: Mapping[str, Detail] = field(default_factory=dict)
    """Further entries of manifest.json, such as checksums of the archives."""

    def as_dict(self) -> dict[str, Detail]:
        named = {key: value for key, value in vars(self).items() if key != "details"}
        return named | dict(self.details)


@dataclass(frozen=True)
class Manifest:
    """Content of manifest.json."""

    description: Description
    images: tuple[int, ...]
    """Shape of the images (N, C, H, W); of encoded ones (N,)."""
    classes: int
    sha256: dict[str, str]
    """Of each of FILES."""
    encoded: bool = False
    """Whether the images are kept as the bytes of their own files (JPEG, PNG), which have many sizes."""
    upright: bool = False
    """Whether encoded images are to be turned as their EXIF data say."""

    @property
    def channels(self) -> int:
        return 3 if self.encoded else self.images[1]

    def as_dict(self) -> dict[str, Any]:
        """Entries of manifest.json, `encoded`, `channels` and `upright` only for encoded images."""
        shape = {"images": list(self.images)}
        upright = {"upright": True} if self.upright else {}
        form = {"encoded": True} | shape | {"channels": self.channels} | upright if self.encoded else shape
        return self.description.as_dict() | form | {"classes": self.classes, "sha256": self.sha256}

    @classmethod
    def of(cls, content: dict[str, Any]) -> "Manifest":
        """Inverse of `as_dict`. Raises KeyError, TypeError or ValueError for missing and impossible entries."""
        description = {key: content[key] for key in ("name", "source", "origin", "citation", "licence")}
        shape, encoded = tuple(map(int, content["images"])), bool(content.get("encoded", False))
        if len(shape) != (1 if encoded else 4):
            raise ValueError(f"images: {content['images']} is no shape of images")
        own = {*description, "images", "encoded", "channels", "upright", "classes", "sha256"}
        details = {key: value for key, value in content.items() if key not in own}
        sums = {name: content["sha256"][name] for name in FILES}
        upright = bool(content.get("upright", False))
        return cls(Description(**description, details=details), shape, int(content["classes"]), sums, encoded, upright)


@dataclass(frozen=True)
class Prepared:
    """N images, with labels (N,) int64, part (N,) uint8, as in PARTS, and manifest.

    images: (N, C, H, W) uint8. Where the manifest says "encoded": (bytes,) uint8, namely `offsets_of` it and then the
        images' files one after the other.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    part: NDArray[np.uint8]
    manifest: Manifest

    @property
    def encoded(self) -> bool:
        return self.manifest.encoded

    @property
    def channels(self) -> int:
        return self.manifest.channels

    @property
    def classes(self) -> int:
        return self.manifest.classes


def read(folder: Path, verify: bool = False) -> Prepared:
    """Open a prepared data set, memory-mapped.

    Raises FileNotFoundError for a missing file and ValueError for one whose SHA-256 (with `verify`) or shape is
    not the manifest's; both name the file and the remedy.
    """
    remedy = f"delete {folder} and run `snakemake --cores all` (or `dvc pull`) to restore it"
    for name in ("manifest.json", *FILES):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder / name} is missing; {remedy}")
    content = read_json(folder / "manifest.json")
    with reading(folder / "manifest.json", remedy):
        manifest = Manifest.of(content)
    if verify:
        for name in FILES:
            if sha256(folder / name) != manifest.sha256[name]:
                raise ValueError(f"{folder / name} does not have the content its manifest states; {remedy}")
    images, labels, part = (np.load(folder / name, mmap_mode="r", allow_pickle=False) for name in FILES)
    count = manifest.images[0]
    if manifest.encoded and not _are_files(images, count):
        raise ValueError(f"{folder / 'images.npy'} does not hold the {count} files its manifest states; {remedy}")
    shape = (count,) if manifest.encoded else images.shape
    if shape != manifest.images or labels.shape != (count,) or part.shape != (count,):
        raise ValueError(f"{folder} holds arrays whose shapes disagree with its manifest; {remedy}")
    if (images.dtype, labels.dtype, part.dtype) != (np.uint8, np.int64, np.uint8):
        raise ValueError(f"{folder} holds arrays of other types than uint8, int64 and uint8; {remedy}")
    return Prepared(images, labels, part, manifest)


def offsets_of(images: NDArray, count: int) -> NDArray[np.int64]:
    """Where each of `count` encoded images begins in `images`, and the last one ends."""
    return images[: 8 * (count + 1)].view("<i8")


def _are_files(images: NDArray, count: int) -> bool:
    if images.dtype != np.uint8 or images.ndim != 1 or len(images) < 8 * (count + 1):
        return False
    offsets = offsets_of(images, count)
    return bool(offsets[0] == 8 * (count + 1) and offsets[-1] == len(images) and (np.diff(offsets) > 0).all())
