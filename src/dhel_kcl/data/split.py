"""A suite's subsets of a data set: train, validation, test and pretrain, stratified by class, by a fixed seed.

Where the data set has an official test part, that is the pool for the test images; otherwise all images are.
Evaluation fits on train, and pretraining uses train with all unlabeled images where there are some; hyperparameters
are selected on validation, test is only reported.
"""

import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dhel_kcl.data.prepared import PARTS
from dhel_kcl.files import atomic, reading

Indices = NDArray[np.int64]
SUBSETS = ("train", "validation", "test", "pretrain")


def draw(
    labels: NDArray, part: NDArray, train: int | None, validation: int, test: int, seed: int
) -> dict[str, Indices]:
    """Sorted indices by subset: train, validation and test are disjoint and stratified by label.

    Args:
        labels, part: shape (N,); part as in `prepared.PARTS`.
        train: number of training images, or None for all that are left.
        validation, test: numbers of images.
        seed: of the draw.

    Raises ValueError if there are too few images.
    """
    from sklearn.model_selection import train_test_split

    def take(pool: Indices, count: int) -> tuple[Indices, Indices]:
        if count > len(pool):
            raise ValueError(f"the split asks for {count} images where only {len(pool)} are left")
        if count == len(pool):
            return pool, pool[:0]
        taken, rest = train_test_split(pool, train_size=count, stratify=labels[pool], random_state=seed)
        return np.sort(taken), np.sort(rest)

    everything = np.arange(len(labels))
    pool = everything[part == PARTS["train"]]
    official_test = everything[part == PARTS["test"]]
    if len(official_test):
        chosen_test, _ = take(official_test, test)
    else:
        chosen_test, pool = take(pool, test)
    chosen_validation, pool = take(pool, validation)
    chosen_train, _ = take(pool, len(pool) if train is None else train)
    pretrain = np.sort(np.concatenate([chosen_train, everything[part == PARTS["unlabeled"]]]))
    return {"train": chosen_train, "validation": chosen_validation, "test": chosen_test, "pretrain": pretrain}


def write(path: Path, split: dict[str, Indices]) -> None:
    """Write what `draw` gives, as .npz."""
    with atomic(path) as file:
        np.savez(file, allow_pickle=False, **split)


def read(path: Path) -> dict[str, Indices]:
    """What `write` wrote. Raises ValueError that names the file if it is damaged."""
    with reading(path, "delete it and run again to rebuild it"):
        with path.open("rb") as file:
            if not zipfile.is_zipfile(file):
                raise ValueError("not an .npz archive")
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in SUBSETS}
