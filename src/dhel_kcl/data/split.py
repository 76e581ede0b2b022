"""Step 2: draw a suite's train, validation and test images, stratified by class, by a fixed seed.

Where the data set has an official test part, that is the pool for the test images; otherwise all images are.
The probe uses train, and so does pretraining, with all unlabeled images where there are some; hyperparameters are
selected on validation, test is only reported.

Example:
    python -m dhel_kcl.data.split --data data/digits --train 897 --validation 300 --test 600 --seed 0 --out split.npz
"""

import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dhel_kcl.data import prepared
from dhel_kcl.data.parts import PARTS
from dhel_kcl.runtime import cli
from dhel_kcl.runtime.files import atomic, reading

Indices = NDArray[np.int64]
NAMES = ("train", "validation", "test", "pretrain")


def draw(
    labels: NDArray, part: NDArray, train: int | None, validation: int, test: int, seed: int
) -> dict[str, Indices]:
    """Disjoint sorted indices {"train", "validation", "test"}, each stratified by label; and "pretrain".

    Args:
        labels, part: shape (N,); part as in `parts.PARTS`.
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


def read(path: Path) -> dict[str, Indices]:
    """Indices written by this step. Raises ValueError that names the file if it is damaged."""
    with reading(path, "delete it and run again to rebuild it"):
        with path.open("rb") as file:
            if not zipfile.is_zipfile(file):
                raise ValueError("not an .npz archive")
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in NAMES}


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--data", required=True, type=Path, help="prepared data set")
    parser.add_argument("--train", type=int, help="training images (default: all that are left)")
    parser.add_argument("--validation", required=True, type=int, help="validation images")
    parser.add_argument("--test", required=True, type=int, help="test images")
    parser.add_argument("--seed", default=0, type=int, help="seed of the draw")
    parser.add_argument("--out", required=True, type=Path, help="file to write (.npz)")
    args = parser.parse_args()
    data = prepared.read(args.data, verify=True)
    indices = draw(data.labels, data.part, args.train, args.validation, args.test, args.seed)
    with atomic(args.out) as file:
        np.savez(file, allow_pickle=False, **indices)
    print(", ".join(f"{name}: {len(index)} images" for name, index in indices.items()))


if __name__ == "__main__":
    cli.run(main)
