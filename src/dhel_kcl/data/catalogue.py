"""Sizes of the data sets, for plans made before anything is downloaded."""

from typing import Any, NamedTuple


class Size(NamedTuple):
    """Official numbers of images by part, their shape, classes, and bytes on disk while the data set is prepared.

    test: 0 where there is no official test part, and all images are in `train`. side: height and width in pixels; of
    images of many sizes, about that of the stored ones.
    """

    train: int
    test: int
    unlabeled: int
    channels: int
    side: int
    classes: int
    disk: int


SIZES = {
    "digits": Size(1_797, 0, 0, 1, 8, 10, 200_000),
    "fashion_mnist": Size(60_000, 10_000, 0, 1, 28, 10, 150_000_000),
    "cifar10": Size(50_000, 10_000, 0, 3, 32, 10, 600_000_000),
    "cifar100": Size(50_000, 10_000, 0, 3, 32, 100, 600_000_000),
    "stl10": Size(5_000, 8_000, 100_000, 3, 96, 10, 9_000_000_000),
    # Of the classes of Contrastive Multiview Coding; other lists of 100 classes differ by a few thousand.
    "imagenet100": Size(126_689, 5_000, 0, 3, 256, 100, 14_000_000_000),
}


def split_sizes(dataset: str, split: dict[str, Any]) -> dict[str, int]:
    """Number of images by part, as `split.draw` will take them: pretrain, train, validation, test.

    Raises ValueError if the split asks for more images than the data set has.
    """
    size, train = SIZES[dataset], split["train"]
    left = size.train - split["validation"] - (0 if size.test else split["test"])
    if size.test and split["test"] > size.test:
        raise ValueError(f"{dataset}: the split asks for {split['test']} test images of {size.test}")
    if left < (train or 1):
        what = "training and validation" if size.test else "training, validation and test"
        raise ValueError(f"{dataset}: the split asks for more {what} images than the {size.train} that there are")
    train = left if train is None else train
    parts = {"train": train, "validation": split["validation"], "test": split["test"]}
    return {"pretrain": train + size.unlabeled} | parts
