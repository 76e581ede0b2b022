"""STL-10: 5,000 training, 8,000 test and 100,000 unlabeled images of 96x96 pixels in colour, 10 classes."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dhel_kcl.data.archives import opening
from dhel_kcl.data.copies import official_files
from dhel_kcl.data.prepared import Description
from dhel_kcl.data.writing import write_parts

if TYPE_CHECKING:
    from torchvision.datasets import STL10

UNPACKED = 3_200_000_000
"""Most bytes that the archive's files may have; they have 3,124 million."""
CLASSES = 10


def fetch(folder: Path) -> None:
    """Prepare STL-10 in `folder`; takes 7 GB of memory."""
    from torchvision.datasets import STL10

    prepare(folder, STL10)


def prepare(folder: Path, dataset: type["STL10"]) -> None:
    """Prepare what torchvision's `dataset`, which states address and checksums, reads from its files.

    Raises ValueError or OSError naming the file at fault.
    """
    description = Description(
        name="stl10",
        source=dataset.url,
        origin="https://cs.stanford.edu/~acoates/stl10/",
        citation="A. Coates, H. Lee, A. Y. Ng (2011), An Analysis of Single-Layer Networks in Unsupervised Feature "
        "Learning, AISTATS",
        licence="none stated; the images come from ImageNet, whose terms allow non-commercial research only",
    )
    with official_files(dataset, UNPACKED) as copy, opening(copy.path):
        official = {part: dataset(copy.root, split=part) for part in ("train", "test", "unlabeled")}
        arrays = {part: (read.data, read.labels) for part, read in official.items()}
        write_parts(folder, arrays, CLASSES, replace(description, details=copy.details))
