"""CIFAR-10 and CIFAR-100: 50,000 training and 10,000 test images of 32x32 pixels in colour, 10 or 100 classes.

The files are Python pickles. They are opened only after the MD5 of each is the official one.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dhel_kcl.data.archives import opening
from dhel_kcl.data.copies import official_files
from dhel_kcl.data.prepared import Description
from dhel_kcl.data.writing import write_parts

if TYPE_CHECKING:
    from torchvision.datasets import CIFAR10

UNPACKED = 200_000_000
"""Most bytes that the archive's files may have; they have 186 million."""


def fetch_cifar10(folder: Path) -> None:
    """Prepare CIFAR-10 in `folder`."""
    from torchvision.datasets import CIFAR10

    prepare(folder, "cifar10", CIFAR10, classes=10)


def fetch_cifar100(folder: Path) -> None:
    """Prepare CIFAR-100 in `folder`, with its 100 fine labels."""
    from torchvision.datasets import CIFAR100

    prepare(folder, "cifar100", CIFAR100, classes=100)


def prepare(folder: Path, name: str, dataset: type["CIFAR10"], classes: int) -> None:
    """Prepare what torchvision's `dataset`, which states address and checksums, reads from its files.

    Raises ValueError or OSError naming the file at fault.
    """
    description = Description(
        name=name,
        source=dataset.url,
        origin="https://www.cs.toronto.edu/~kriz/cifar.html",
        citation="A. Krizhevsky (2009), Learning Multiple Layers of Features from Tiny Images, University of Toronto",
        licence="none stated; its authors ask for the citation",
    )
    with official_files(dataset, UNPACKED) as copy, opening(copy.path):
        official = {part: dataset(copy.root, train=part == "train") for part in ("train", "test")}
        arrays = {part: (read.data.transpose(0, 3, 1, 2), np.array(read.targets)) for part, read in official.items()}
        write_parts(folder, arrays, classes, replace(description, details=copy.details))
