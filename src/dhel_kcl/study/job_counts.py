"""How much a suite computes, by its config alone: images of each data set, steps and views of each run."""

from typing import Any

from dhel_kcl.data.catalogue import split_sizes
from dhel_kcl.study.suite import Run, Suite


def subset_sizes(dataset: str, split: dict[str, Any]) -> dict[str, int]:
    """Number of images by subset of a config's split."""
    return split_sizes(dataset, train=split["train"], validation=split["validation"], test=split["test"])


def steps(suite: Suite, run: Run) -> int:
    """Updates of one run: epochs * floor(images / M); 0 for the floors that are not trained.

    Raises ValueError for a batch larger than the training set.
    """
    if run.method in ("pixels", "random"):
        return 0
    settings = suite.settings(run.dataset)
    part = "train" if run.method == "supervised" else "pretrain"
    images = subset_sizes(run.dataset, settings["split"])[part]
    if run.batch_size > images:
        where = f"{suite.name}, {run.dataset}"
        raise ValueError(f"{where}: batch size {run.batch_size} is larger than the training set of {images} images")
    epochs: int = settings["training"]["epochs"]
    return epochs * (images // run.batch_size)


def views(suite: Suite, run: Run) -> int:
    """Views that one run trains on, as its provenance.json will state: 2 M a step."""
    return 2 * run.batch_size * steps(suite, run)


def evaluated_images(suite: Suite, dataset: str) -> tuple[int, int]:
    """Images that the evaluation of one encoder passes through it: plain ones, and augmented ones of the paper's probe.

    Plain: the three parts, and two views of each test image. Augmented: the training images in each epoch.
    """
    settings = suite.settings(dataset)
    parts = subset_sizes(dataset, settings["split"])
    plain = parts["train"] + parts["validation"] + 3 * parts["test"]
    augmented = settings["probe"].get("augmented")
    return plain, augmented["epochs"] * parts["train"] if augmented else 0
