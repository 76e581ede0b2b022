"""Joining a data set's official parts into the prepared form."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dhel_kcl.data import prepared

UNLABELED = 2
"""Value of `Prepared.part` for images without a label, whose entry in `Prepared.labels` is -1.

Pretraining may use them, the probe never sees them.
"""

PARTS = prepared.PARTS


def write(folder: Path, parts: dict[str, tuple[NDArray, NDArray]], description: dict[str, Any]) -> None:
    """Write the prepared data set.

    Args:
        folder: to write.
        parts: images (N, C, H, W) uint8 and labels (N,) by the name of the part, as in PARTS.
        description: entries of manifest.json.

    Raises ValueError for labels that do not fit the images or the part.
    """
    for name, (images, labels) in parts.items():
        if len(images) != len(labels):
            raise ValueError(f"{len(images)} {name} images have {len(labels)} labels")
        least, most = labels.min(), labels.max()
        if most >= description["classes"] or (least < 0 if name != "unlabeled" else least != -1 or most != -1):
            raise ValueError(f"{name} labels range from {least} to {most}")
    counts = [len(labels) for _, labels in parts.values()]
    first = next(iter(parts.values()))[0]
    joined = np.empty((sum(counts), *first.shape[1:]), np.uint8)
    np.concatenate([images for images, _ in parts.values()], out=joined)
    labels = np.concatenate([labels for _, labels in parts.values()]).astype(np.int64)
    part = np.repeat(np.array([PARTS[name] for name in parts], np.uint8), counts)
    prepared.write(folder, joined, labels, part, description)
