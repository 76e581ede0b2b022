"""How much a suite computes, by its config alone: steps and views of each run, images of each evaluation."""

from collections.abc import Mapping

from dhel_kcl.data.catalogue import split_sizes
from dhel_kcl.study.suite import Run, Suite


def subset_sizes(suite: Suite, dataset: str) -> dict[str, int]:
    """Number of images by subset: pretrain, train, validation, test."""
    split, entry = suite.split(dataset), suite.dataset(dataset)
    return split_sizes(dataset, train=split.train, validation=split.validation, test=split.test, dataset=entry)


def steps(suite: Suite, run: Run, sizes: Mapping[str, int] | None = None) -> int:
    """Updates of one run: those that are asked for, or epochs * floor(images / M); 0 for the floors that are not
    trained.

    sizes: images by subset where a split was drawn; those of the catalogue, which are approximate for some data sets,
    otherwise.
    """
    if run.method in ("pixels", "random"):
        return 0
    images = (sizes or subset_sizes(suite, run.dataset))["train" if run.method == "supervised" else "pretrain"]
    return suite.training(run).steps(run.batch_size, images)


def views(suite: Suite, run: Run, sizes: Mapping[str, int] | None = None) -> int:
    """Views that one run trains on, as its provenance.json will state: 2 M a step. Arguments as of `steps`."""
    return 2 * run.batch_size * steps(suite, run, sizes)


def evaluated_images(suite: Suite, dataset: str) -> tuple[int, int]:
    """Images that the evaluation of one encoder passes through it: plain ones, and augmented ones of the paper's probe.

    Plain: the three subsets, and two views of each test image and of `training_pairs` training images. Augmented: the
    training images in each epoch.
    """
    images, probe = subset_sizes(suite, dataset), suite.settings(dataset).probe
    plain = images["train"] + images["validation"] + 3 * images["test"] + 2 * min(probe.training_pairs, images["train"])
    return plain, probe.augmented.epochs * images["train"] if probe.augmented else 0


def transferred_images(suite: Suite, dataset: str) -> int:
    """Images of a data set that the cached probe of another one's encoder passes through it: the three subsets."""
    images = subset_sizes(suite, dataset)
    return images["train"] + images["validation"] + images["test"]
