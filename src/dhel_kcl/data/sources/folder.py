"""Images of one's own, in a folder that a suite names: one sub-folder a class.

Small ones are kept as pixels, large ones as the files that they are. Every file is decoded before anything is written.
"""

from pathlib import Path

import numpy as np

from dhel_kcl.data.folders import listing
from dhel_kcl.data.images import digest_of, squares
from dhel_kcl.data.prepared import PARTS, Description, Detail
from dhel_kcl.data.writing import write, write_encoded


def prepare(folder: Path, name: str, images: Path, size: int, streamed: bool) -> None:
    """Prepare the data set `name` in `folder` from the folder `images`.

    Args:
        size: height and width of the pixels that are kept: the shorter side is resized, the centre cut out.
        streamed: whether the files are kept instead.

    manifest.json records the names of the classes in the order of their labels.

    Raises ValueError naming every folder or file at fault.
    """
    found = listing(images)
    paths = [image.path for image in found.images]
    labels = np.array([image.label for image in found.images])
    part = np.array([PARTS[image.part] for image in found.images], np.uint8)
    details: dict[str, Detail] = {"class_names": list(found.classes)}
    if streamed:
        write_encoded(folder, paths, labels, part, _description(name, images, details), upright=True)
        return
    pixels, sums = squares(paths, size)
    details["files_sha256"] = digest_of(paths, sums)
    write(folder, pixels, labels, part, _description(name, images, details))


def _description(name: str, images: Path, details: dict[str, Detail]) -> Description:
    return Description(name, f"a folder of images, {images.name}", "not stated", "none", "not stated", details)
