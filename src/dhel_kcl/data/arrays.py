"""What images, labels and parts must be, held against what is about to be prepared: each fault with its remedy.

A fault that goes unnoticed here costs a whole training, or worse, a result.
"""

import numpy as np
from numpy.typing import NDArray

from dhel_kcl.data.prepared import PARTS

FORM = "images are an array (N, C, H, W) of uint8, C = 1 (grey) or 3 (colour)"
UNLABELED = (
    f"part {PARTS['unlabeled']} (unlabeled) is for images without a label, which serve pretraining alone, and their "
    "label is -1"
)
AS_CLASSES = "np.unique(labels, return_inverse=True)[1] gives labels 0 ... C - 1"


def check_images(name: str, images: NDArray) -> None:
    """Raise ValueError unless these are pixels as bytes. name: of the data set, for the message."""
    if fault := _of_pixels(images) or _of_shape(images) or _of_range(images):
        raise ValueError(f"{name}: {fault}; {FORM}")


def check_labels(name: str, labels: NDArray, part: NDArray, count: int) -> None:
    """Raise ValueError unless these are the labels and parts of `count` images: integers, -1 where unlabeled.

    name: of the data set, for the message.
    """
    if fault := _of_parts(part, count) or _of_numbers(labels, count) or _of_labels(labels, part):
        raise ValueError(f"{name}: {fault}")


def check_classes(name: str, labels: NDArray, part: NDArray) -> None:
    """Raise ValueError unless each class 0 ... C - 1 of at least two has images to train with."""
    classes = int(labels.max()) + 1
    missing = np.setdiff1d(np.arange(classes), labels[part == PARTS["train"]])
    if classes < 2:
        raise ValueError(f"{name}: all images have one label; a data set has two classes at least")
    if len(missing):
        raise ValueError(
            f"{name}: no image of the train part has the label {missing[0]}, and labels run from 0 to {classes - 1}: "
            f"give each class images to train with, or number the classes without gaps ({AS_CLASSES})"
        )


def _of_pixels(images: NDArray) -> str:
    """What is wrong with the type."""
    if not isinstance(images, np.ndarray):
        return f"the images are no NumPy array but a {type(images).__name__}: np.asarray(images) may make one"
    if images.dtype == np.uint8:
        return ""
    if images.dtype.kind not in "iufb" or not images.size:
        return f"the images are {images.dtype}, no numbers that could be pixels"
    low, high = images.min(), images.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        return f"the images are {images.dtype} and contain NaN or infinity"
    return f"the images are {images.dtype} between {low:g} and {high:g}: {_as_bytes(images.dtype.kind, low, high)}"


def _as_bytes(kind: str, low: float, high: float) -> str:
    """How numbers in a range become bytes."""
    if low < 0 or high > 255:
        return "bring them to 0 ... 255 (undo a standardisation; divide 16-bit levels by 257), then to uint8"
    if kind in "iu" and high > 1:
        return "images.astype(np.uint8) are bytes"
    scaled = "images" if high > 1 else "(255.0 * images)"
    return f"{scaled}.round().astype(np.uint8) are bytes"


def _of_shape(images: NDArray) -> str:
    shape = images.shape
    if 0 in shape:
        return f"the images have the shape {shape}, which is empty"
    if len(shape) == 3:
        return f"the images have the shape {shape}, without an axis of channels: images[:, None] has one"
    if len(shape) != 4:
        return f"the images have the shape {shape}"
    if shape[1] in (1, 3):
        return ""
    if shape[3] in (1, 3):
        return f"the images have the shape {shape}, channels last: images.transpose(0, 3, 1, 2) has them first"
    drop = ": images[:, :3] leaves the opacity out" if shape[1] == 4 else ""
    return f"the images have the shape {shape}, that is {shape[1]} channels{drop}"


def _of_range(images: NDArray) -> str:
    if images.max() > 1:
        return ""
    return (
        "all pixels are 0 or 1, where white is 255: shares of white must be multiplied by 255 before they are rounded, "
        "and 0 / 1 images too"
    )


def _of_parts(part: NDArray, count: int) -> str:
    values = ", ".join(f"{code} {name}" for name, code in PARTS.items())
    if part.shape != (count,):
        return f"{count} images have parts of the shape {part.shape}, not ({count},)"
    if part.dtype.kind not in "iub" or not np.isin(part, list(PARTS.values())).all():
        return f"part has other values than {values}"
    if not (part == PARTS["train"]).any():
        return f"no image is of the train part; part says {values}"
    return ""


def _of_numbers(labels: NDArray, count: int) -> str:
    """What is wrong with the labels' number and type."""
    if labels.shape != (count,):
        one_hot = f"; labels.argmax(1) makes numbers of one column a class, {UNLABELED}" if labels.ndim == 2 else ""
        return f"{count} images have labels of the shape {labels.shape}, not ({count},){one_hot}"
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        where = int(np.flatnonzero(~np.isfinite(labels))[0])
        return f"the label of image {where} is {labels[where]}; {UNLABELED}"
    if labels.dtype.kind not in "iu":
        return f"the labels are {labels.dtype}, not integers: {AS_CLASSES}"
    return ""


def _of_labels(labels: NDArray, part: NDArray) -> str:
    unlabeled = part == PARTS["unlabeled"]
    wrong = np.flatnonzero(np.where(unlabeled, labels != -1, labels < 0))
    if not len(wrong):
        return ""
    named = "of part unlabeled" if unlabeled[wrong[0]] else "of the train or test part"
    return f"image {wrong[0]}, {named}, has the label {labels[wrong[0]]}; labels are 0 ... C - 1, and {UNLABELED}"
