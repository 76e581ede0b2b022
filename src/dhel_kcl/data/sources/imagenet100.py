"""ImageNet-100: 100 of ImageNet's classes, about 127,000 training and 5,000 validation images, the latter as test part.

ImageNet cannot be downloaded freely. DHEL_KCL_IMAGENET names a folder that holds `train` and `val` (or `train.X1`,
`train.X2`, ... and `val.X`), each with one folder a class, named by its WordNet id: all of ILSVRC 2012, or
ImageNet-100 alone. DHEL_KCL_IMAGENET_CLASSES names a text file of ids to use; without it, a folder of 100 classes is
taken as it is, and from a larger one the classes of `imagenet100_cmc`.

The images' files are stored as they are, since random crops are drawn from whole images. An orientation in the EXIF
data counts as little as for torchvision, which the literature's networks were trained with.
"""

import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from dhel_kcl.data.images import is_named_image
from dhel_kcl.data.prepared import PARTS, Description, Detail
from dhel_kcl.data.sources.imagenet100_cmc import CLASSES as CMC_CLASSES
from dhel_kcl.data.writing import write_encoded
from dhel_kcl.files import read_text, require_space

SOURCE = "DHEL_KCL_IMAGENET"
CLASS_LIST = "DHEL_KCL_IMAGENET_CLASSES"
COUNT = 100
ID = re.compile(r"n\d{8}")

DESCRIPTION = Description(
    name="imagenet100",
    source=f"the folder that {SOURCE} names",
    origin="https://www.image-net.org/, ILSVRC 2012",
    citation="O. Russakovsky et al. (2015), ImageNet Large Scale Visual Recognition Challenge, IJCV 115",
    licence="ImageNet's terms of access: non-commercial research and education only",
)


def fetch(folder: Path) -> None:
    """Prepare ImageNet-100 in `folder`.

    manifest.json records the class ids in the order of their labels, and which list they are.

    Raises ValueError or OSError naming the folder, list or image at fault.
    """
    if not os.environ.get(SOURCE):
        raise ValueError(
            f"{SOURCE} is not set: ImageNet cannot be downloaded freely; get it from image-net.org and set {SOURCE} "
            "to the folder that holds train and val"
        )
    source = Path(os.environ[SOURCE]).expanduser()
    found = {"train": _class_folders(source, "train"), "test": _class_folders(source, "val")}
    ids, name = _choose(source, {class_id for class_id, _ in found["train"]})
    for class_folders in found.values():
        _require(ids, {class_id for class_id, _ in class_folders}, class_folders[0][1].parent, name)

    files = [
        (path, ids.index(class_id), PARTS[key])
        for key, class_folders in found.items()
        for class_id, class_folder in class_folders
        if class_id in ids
        for path in _images(class_folder)
    ]
    paths, labels, part = zip(*files, strict=True)
    require_space(folder, sum(path.stat().st_size for path in paths))
    details: dict[str, Detail] = {"class_list": name, "class_ids": ids}
    description = replace(DESCRIPTION, details=details)
    write_encoded(folder, paths, np.array(labels), np.array(part, np.uint8), description)


def _class_folders(source: Path, part: str) -> list[tuple[str, Path]]:
    """(class id, folder) of every class in source/`part` or source/`part`.X..., sorted."""
    holders = [source / part] if (source / part).is_dir() else sorted(source.glob(f"{part}.X*"))
    if not holders:
        raise ValueError(f"{source} has no folder {part} or {part}.X...: {SOURCE} must name the folder above it")
    found = sorted((path.name, path) for holder in holders for path in holder.iterdir() if ID.fullmatch(path.name))
    if not found:
        raise ValueError(f"{holders[0]} has no class folders such as n01440764: sort its images into one a class")
    return found


def _choose(source: Path, available: set[str]) -> tuple[list[str], str]:
    """The class ids to use, sorted, and the name of that list."""
    if listed := os.environ.get(CLASS_LIST):
        ids = read_text(Path(listed).expanduser()).split()
        wrong = [entry for entry in ids if not ID.fullmatch(entry)]
        if wrong or not ids or len(set(ids)) < len(ids):
            reason = f"{wrong[0]!r} is no id such as n01440764" if wrong else "it is empty or names a class twice"
            raise ValueError(f"{listed} is not a list of classes: {reason}")
        name = Path(listed).name
    elif len(available) == COUNT:
        ids, name = list(available), "the folder's own 100 classes"
    elif len(available) > COUNT:
        ids, name = CMC_CLASSES, "CMC"
    else:
        raise ValueError(f"{source} has {len(available)} classes, not {COUNT}: complete it, or set {CLASS_LIST}")
    return sorted(ids), "CMC" if set(ids) == set(CMC_CLASSES) else name


def _require(ids: list[str], available: set[str], place: Path, name: str) -> None:
    if missing := [class_id for class_id in ids if class_id not in available]:
        shown = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        raise ValueError(f"{place} lacks {len(missing)} of the {len(ids)} classes of the list {name!r}: {shown}")


def _images(class_folder: Path) -> list[Path]:
    found = sorted(filter(is_named_image, class_folder.iterdir()))
    if not found:
        raise ValueError(f"{class_folder} holds no images")
    return found
