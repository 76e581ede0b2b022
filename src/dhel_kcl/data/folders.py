"""A folder of one's own images: one sub-folder a class, below `train`, `val` and `test` where there are such.

Only names are read here. Whether the files are images is seen when they are decoded.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PART_FOLDERS = {
    "train": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}
"""{folder: part of `prepared.PARTS`}."""
UNLABELED = "unlabeled"
STRAYS = {"thumbs.db", "desktop.ini", "__macosx"}
"""What systems leave behind, besides names that begin with a dot."""


@dataclass(frozen=True)
class Found:
    """An image's file, its class and its part."""

    path: Path
    label: int
    part: str


@dataclass(frozen=True)
class Listing:
    """All images in a folder, in the order of parts, classes and names. classes: names of the sub-folders, sorted."""

    classes: tuple[str, ...]
    images: tuple[Found, ...]

    def count(self, part: str) -> int:
        return sum(image.part == part for image in self.images)


def listing(folder: Path) -> Listing:
    """Images, classes and parts in a folder.

    Without a folder `train`, all class folders are of the train part. `unlabeled` holds images without a class.

    Raises ValueError naming the folder or files that do not fit, with the remedy.
    """
    parts = _parts(folder)
    classes = tuple(sorted({path.name for path in _folders(parts["train"][0])}))
    if len(classes) < 2:
        raise ValueError(f"{parts['train'][0]} holds {len(classes)} class folders; sort the images into one a class")
    images: list[Found] = []
    for part, places in parts.items():
        for place in places:
            _require(place, set(classes), part)
            images += (
                Found(path, label, part) for label, name in enumerate(classes) for path in _files(place / name, part)
            )
    if (folder / UNLABELED).is_dir():
        images += (Found(path, -1, UNLABELED) for path in _files(folder / UNLABELED, UNLABELED))
    return Listing(classes, tuple(images))


def _parts(folder: Path) -> dict[str, list[Path]]:
    """{part: folders that hold its class folders}."""
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder")
    named = [path for path in _folders(folder) if path.name in PART_FOLDERS]
    if not named:
        return {"train": [folder]}
    if "train" not in (path.name for path in named):
        raise ValueError(f"{folder} has a folder {named[0].name} and none train: add it, or rename that class")
    if beside := [path for path in _folders(folder) if path not in named] + _plain(folder):
        raise ValueError(f"{beside[0]} lies beside train: put it into train, or take it away")
    parts: dict[str, list[Path]] = {"train": []}
    for path in named:
        parts.setdefault(PART_FOLDERS[path.name], []).append(path)
    return parts


def _require(place: Path, classes: set[str], part: str) -> None:
    """Raise ValueError unless what lies in `place` are folders of these classes."""
    if files := _plain(place):
        raise ValueError(f"{files[0]} lies beside class folders: put it into one of them, or take it away")
    names = {path.name for path in _folders(place)}
    if unknown := sorted(names - classes):
        raise ValueError(f"{place / unknown[0]} is a class that train does not have: add it there, or take it away")
    if not names:
        raise ValueError(f"{place} holds no class folders: add them, or take it away")


def _is_stray(name: str) -> bool:
    return name.startswith(".") or name.lower() in STRAYS


def _folders(place: Path) -> list[Path]:
    found = (path for path in place.iterdir() if path.is_dir() and not _is_stray(path.name))
    return sorted(path for path in found if path.name != UNLABELED)


def _plain(place: Path) -> list[Path]:
    return sorted(path for path in place.iterdir() if path.is_file() and not _is_stray(path.name))


def _files(place: Path, part: str) -> list[Path]:
    """All files below a folder. Raises ValueError for a folder without any, unless test images lack the class."""
    found = sorted(_below(place)) if place.is_dir() else []
    if not found and (place.is_dir() or part == "train"):
        raise ValueError(f"{place} holds no images: add some, or take it away")
    return found


def _below(place: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(place):
        folders[:] = [name for name in folders if not _is_stray(name)]
        yield from (Path(folder, name) for name in files if not _is_stray(name))
