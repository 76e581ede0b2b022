"""Handwritten digits, 1,797 scans of 8x8 pixels in 17 grey levels, shipped inside scikit-learn's wheel."""

import hashlib
from pathlib import Path

import numpy as np

from dhel_kcl.data.prepared import PARTS, Description
from dhel_kcl.data.writing import write

CONTENT_SHA256 = "65e5b4619795efb40c1082f4c350c049e4ad552200d369b6ae99e21eef5e72c5"

DESCRIPTION = Description(
    name="digits",
    source="scikit-learn, sklearn.datasets.load_digits",
    origin="Optical Recognition of Handwritten Digits, test part, UCI Machine Learning Repository",
    citation="E. Alpaydin, C. Kaynak (1998), doi:10.24432/C50P49",
    licence="CC BY 4.0",
)


def fetch(folder: Path) -> None:
    """Prepare the digits in `folder`: levels 0-16 stretched to 0-255, no official test part.

    Raises ValueError if the arrays that scikit-learn ships are not the known ones.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    levels, labels = digits.images.astype(np.uint8), digits.target.astype(np.int64)
    content = hashlib.sha256(levels.tobytes() + labels.tobytes()).hexdigest()
    if content != CONTENT_SHA256:
        raise ValueError(
            f"scikit-learn's digits have the SHA-256 {content}, not {CONTENT_SHA256}: this installation ships other "
            "data; install the scikit-learn version in requirements.lock"
        )
    images = np.round(levels * (255 / 16)).astype(np.uint8)[:, None]
    write(folder, images, labels, np.full(len(labels), PARTS["train"], np.uint8), DESCRIPTION)
