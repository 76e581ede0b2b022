"""STL-10: 5,000 training, 8,000 test and 100,000 unlabeled images of 96x96 pixels in colour, 10 classes."""

from pathlib import Path
from typing import TYPE_CHECKING

from dhel_kcl.data import download, parts

if TYPE_CHECKING:
    from torchvision.datasets import STL10

UNPACKED = 3_200_000_000
"""Most bytes that the archive's files may have; they have 3,124 million."""
SPACE = 9_000_000_000
"""Bytes on disk of the archive, its files and the prepared form together."""

DESCRIPTION = {
    "name": "stl10",
    "classes": 10,
    "origin": "https://cs.stanford.edu/~acoates/stl10/",
    "citation": "A. Coates, H. Lee, A. Y. Ng (2011), An Analysis of Single-Layer Networks in Unsupervised Feature "
    "Learning, AISTATS",
    "licence": "none stated; the images come from ImageNet, whose terms allow non-commercial research only",
}


def fetch(folder: Path) -> None:
    """Prepare STL-10 in `folder`; takes 7 GB of memory."""
    from torchvision.datasets import STL10

    prepare(folder, STL10)


def prepare(folder: Path, dataset: type["STL10"]) -> None:
    """Prepare what torchvision's `dataset`, which states address and checksums, reads from its archive.

    Raises ValueError or OSError naming the file at fault.
    """
    download.require_space(folder, SPACE)
    archive = download.obtain(dataset.filename, [dataset.url], dataset.tgz_md5)
    with download.unpacked(archive, UNPACKED) as root, download.reading(archive):
        official = {name: dataset(root, split=name) for name in parts.PARTS}
        arrays = {name: (part.data, part.labels) for name, part in official.items()}
        source = {"source": dataset.url, "md5": {dataset.filename: dataset.tgz_md5}}
        parts.write(folder, arrays, DESCRIPTION | source)
