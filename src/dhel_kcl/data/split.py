"""A suite's subsets of a data set: train, validation, test and pretrain, stratified by class, by a fixed seed.

Where the data set has an official test part, that is the pool for the test images, and likewise for validation;
otherwise all images are.
Evaluation fits on train, and pretraining uses train with all unlabeled images where there are some; hyperparameters
are selected on validation, test is only reported.
"""

import zipfile
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dhel_kcl.data import prepared
from dhel_kcl.data.prepared import PARTS, Manifest, Prepared
from dhel_kcl.files import atomic, reading

Indices = NDArray[np.int64]
SUBSETS = ("train", "validation", "test", "pretrain")
REMEDY = "delete it and draw it again"


@dataclass(frozen=True)
class Origin:
    """The data set that a split was drawn from: its name, the number of its images, the SHA-256 of its labels."""

    dataset: str
    images: int
    labels: str

    @classmethod
    def of(cls, manifest: Manifest) -> "Origin":
        return cls(manifest.description.name, manifest.images[0], manifest.sha256["labels.npy"])

    def __str__(self) -> str:
        return f"{self.dataset} ({self.images:,} images)"


def draw(
    labels: NDArray, part: NDArray, train: int | None, validation: int, test: int, seed: int
) -> dict[str, Indices]:
    """Sorted indices by subset: train, validation and test are disjoint and stratified by label.

    Args:
        labels, part: shape (N,); part as in `prepared.PARTS`.
        train: number of training images, or None for all that are left.
        validation, test: numbers of images.
        seed: of the draw.

    Raises ValueError if there are too few images, of any class too.
    """
    from sklearn.model_selection import train_test_split

    def take(pool: Indices, count: int) -> tuple[Indices, Indices]:
        if count > len(pool):
            raise ValueError(f"the split asks for {count} images where only {len(pool)} are left")
        if count == len(pool):
            return pool, pool[:0]
        _require_enough(labels[pool], count)
        taken, rest = train_test_split(pool, train_size=count, stratify=labels[pool], random_state=seed)
        return np.sort(taken), np.sort(rest)

    everything = np.arange(len(labels))
    pool = everything[part == PARTS["train"]]
    official_test, official_validation = (everything[part == PARTS[name]] for name in ("test", "validation"))
    if len(official_test):
        chosen_test, _ = take(official_test, test)
    else:
        chosen_test, pool = take(pool, test)
    if len(official_validation):
        chosen_validation, _ = take(official_validation, validation)
    else:
        chosen_validation, pool = take(pool, validation)
    chosen_train, _ = take(pool, len(pool) if train is None else train)
    pretrain = np.sort(np.concatenate([chosen_train, everything[part == PARTS["unlabeled"]]]))
    return {"train": chosen_train, "validation": chosen_validation, "test": chosen_test, "pretrain": pretrain}


def _require_enough(labels: NDArray, count: int) -> None:
    """Raise ValueError unless `count` of these images, and what is left of them, can be drawn from each class."""
    classes, counts = np.unique(labels, return_counts=True)
    if counts.min() < 2:
        raise ValueError(
            f"the split cannot share the images of class {classes[counts.argmin()]}: only one is left; "
            "add images of it, or leave the class out"
        )
    if min(count, len(labels) - count) < len(classes):
        raise ValueError(
            f"the split takes {count} images of {len(labels)}, of {len(classes)} classes: each part needs as many "
            "images as there are classes; change split.train, split.validation or split.test"
        )


def write(path: Path, split: dict[str, Indices], origin: Origin) -> None:
    """Write what `draw` gives, and what it was drawn from, as .npz."""
    with atomic(path) as file:
        np.savez(file, allow_pickle=False, **split, origin=np.array(astuple(origin), str))


def read(path: Path) -> dict[str, Indices]:
    """The split that `write` wrote. Raises ValueError that names the file if it is damaged."""
    return _read(path)[0]


def read_with(data: Path, path: Path, dataset: str) -> tuple[Prepared, dict[str, Indices]]:
    """A prepared data set and its split, for a spec that says `dataset`.

    Raises ValueError if spec, data and split are not of one data set, as can happen where a step is run by hand, and
    as `prepared.read` and `read` do.
    """
    found, (split, origin) = prepared.read(data), _read(path)
    there = Origin.of(found.manifest)
    if there.dataset != dataset:
        raise ValueError(f"the spec is for the data set {dataset}, and {data} holds {there}: give --data of {dataset}")
    if (origin.dataset, origin.images) != (there.dataset, there.images):
        raise ValueError(f"{path} was drawn from {origin}, and {data} holds {there}: give --split of {dataset}")
    if origin != there:
        raise ValueError(f"{path} was drawn from {origin} with other labels than {data} has: draw it again")
    return found, split


def _read(path: Path) -> tuple[dict[str, Indices], Origin]:
    with reading(path, REMEDY):
        with path.open("rb") as file:
            if not zipfile.is_zipfile(file):
                raise ValueError("not an .npz archive")
        with np.load(path, allow_pickle=False) as archive:
            dataset, images, labels = archive["origin"].tolist()
            origin, split = Origin(dataset, int(images), labels), {name: archive[name] for name in SUBSETS}
        drawn = np.concatenate(list(split.values()))
        if drawn.dtype.kind != "i":
            raise TypeError(f"numbers of images that are {drawn.dtype}")
        if not 0 <= drawn.min() <= drawn.max() < origin.images:
            raise ValueError(f"images beyond the {origin.images} that there are")
        return split, origin
