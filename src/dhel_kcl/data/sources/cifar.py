"""CIFAR-10 and CIFAR-100: 50,000 training and 10,000 test images of 32x32 pixels in colour, 10 or 100 classes.

The archives hold Python pickles. They are opened only after the archive's MD5, and again each file's, is the
official one.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dhel_kcl.data import download, parts

if TYPE_CHECKING:
    from torchvision.datasets import CIFAR10

UNPACKED = 200_000_000
"""Most bytes that the archive's files may have; they have 186 million."""
SPACE = 600_000_000
"""Bytes on disk of the archive, its files and the prepared form together."""

COMMON = {
    "origin": "https://www.cs.toronto.edu/~kriz/cifar.html",
    "citation": "A. Krizhevsky (2009), Learning Multiple Layers of Features from Tiny Images, University of Toronto",
    "licence": "none stated; its authors ask for the citation",
}


def fetch_cifar10(folder: Path) -> None:
    """Prepare CIFAR-10 in `folder`."""
    from torchvision.datasets import CIFAR10

    prepare(folder, CIFAR10, {"name": "cifar10", "classes": 10} | COMMON)


def fetch_cifar100(folder: Path) -> None:
    """Prepare CIFAR-100 in `folder`, with its 100 fine labels."""
    from torchvision.datasets import CIFAR100

    prepare(folder, CIFAR100, {"name": "cifar100", "classes": 100} | COMMON)


def prepare(folder: Path, dataset: type["CIFAR10"], description: dict[str, Any]) -> None:
    """Prepare what torchvision's `dataset`, which states address and checksums, reads from its archive.

    Raises ValueError or OSError naming the file at fault.
    """
    download.require_space(folder, SPACE)
    archive = download.obtain(dataset.filename, [dataset.url], dataset.tgz_md5)
    with download.unpacked(archive, UNPACKED) as root, download.reading(archive):
        official = {name: dataset(root, train=name == "train") for name in ("train", "test")}
        arrays = {name: (part.data.transpose(0, 3, 1, 2), np.array(part.targets)) for name, part in official.items()}
        source = {"source": dataset.url, "md5": {dataset.filename: dataset.tgz_md5}}
        parts.write(folder, arrays, description | source)
