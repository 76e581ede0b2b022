"""Whatever one's own arrays may be: taken as they are meant, or refused before anything is written, with the remedy."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dhel_kcl.data import prepared
from dhel_kcl.data.prepared import Description
from dhel_kcl.data.writing import write

BYTES = np.random.default_rng(0).integers(0, 256, (6, 3, 4, 5), np.uint8)
LABELS, PART = np.array([0, 1, 0, 1, 0, -1]), np.array([0, 0, 0, 1, 1, 2], np.uint8)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def prepare(images=BYTES, labels=LABELS, part=PART):
    write(Path("out"), images, labels, part, Description("own", "here", "here", "none", "mine"))
    return prepared.read(Path("out"), verify=True)


def with_nan(images):
    images = images.astype(np.float32)
    images[0, 0, 0, 0] = np.nan
    return images


IMAGES = {
    "shares of white": (BYTES / 255, "float64 between 0 and 1: (255.0 * images).round().astype(np.uint8) are bytes"),
    "float bytes": (BYTES.astype(np.float32), "float32 between 0 and 255: images.round().astype(np.uint8) are bytes"),
    "standardised": (BYTES / 64 - 2, "bring them to 0 ... 255 (undo a standardisation"),
    "16 bits": (BYTES.astype(np.uint16) * 257, "uint16 between 0 and 65535: bring them to 0 ... 255"),
    "signed": (BYTES.astype(np.int64), "int64 between 0 and 255: images.astype(np.uint8) are bytes"),
    "NaN": (with_nan(BYTES), "the images are float32 and contain NaN or infinity"),
    "infinity": (np.full(BYTES.shape, np.inf), "the images are float64 and contain NaN or infinity"),
    "masks": (BYTES > 100, "bool between 0 and 1: (255.0 * images).round().astype(np.uint8) are bytes"),
    "cut shares": ((BYTES / 255).astype(np.uint8), "all pixels are 0 or 1, where white is 255"),
    "a list": (BYTES.tolist(), "the images are no NumPy array but a list"),
    "objects": (BYTES.astype(object), "the images are object, no numbers that could be pixels"),
    "complex": (BYTES.astype(complex), "the images are complex128, no numbers that could be pixels"),
    "grey without channels": (BYTES[:, 0], "(6, 4, 5), without an axis of channels: images[:, None] has one"),
    "flat": (BYTES.reshape(6, -1), "the images have the shape (6, 60); images are an array (N, C, H, W)"),
    "channels last": (BYTES.transpose(0, 2, 3, 1), "channels last: images.transpose(0, 3, 1, 2) has them first"),
    "opacity": (np.resize(BYTES, (6, 4, 4, 5)), "4 channels: images[:, :3] leaves the opacity out"),
    "two channels": (BYTES[:, :2], "that is 2 channels; images are an array"),
    "none": (BYTES[:0], "(0, 3, 4, 5), which is empty"),
    "without pixels": (BYTES[..., :0], "(6, 3, 4, 0), which is empty"),
}
LABELLINGS = {
    "one too few": (LABELS[:5], PART, "6 images have labels of the shape (5,), not (6,)"),
    "one-hot": (np.eye(6), PART, "6 images have labels of the shape (6, 6), not (6,); labels.argmax(1) makes numbers"),
    "NaN": (np.where(PART == 2, np.nan, LABELS), PART, "the label of image 5 is nan; part 2 (unlabeled) is for images"),
    "floats": (LABELS.astype(float), PART, "the labels are float64, not integers: np.unique(labels, return_inverse"),
    "names": (np.array(list("abcdef")), PART, "the labels are <U1, not integers: np.unique(labels, return_inverse"),
    "truth values": (LABELS == 1, PART, "the labels are bool, not integers"),
    "-1 in train": (
        np.array([0, -1, 0, 1, 0, -1]),
        PART,
        "image 1, of the train or test part, has the label -1",
    ),
    "-1 in test": (np.array([0, 1, 0, 1, -1, -1]), PART, "serve pretraining alone, and their label is -1"),
    "labelled unlabeled": (np.array([0, 1, 0, 1, 0, 1]), PART, "image 5, of part unlabeled, has the label 1"),
    "from 1 on": (np.where(LABELS < 0, -1, LABELS + 1), PART, "no image of the train part has the label 0, and labels"),
    "a gap": (np.where(LABELS == 1, 4, LABELS), PART, "no image of the train part has the label 1"),
    "in test alone": (np.array([0, 1, 0, 2, 0, -1]), PART, "no image of the train part has the label 2"),
    "one class": (np.array([0, 0, 0, 0, 0, -1]), PART, "all images have one label; a data set has two classes"),
    "a part too few": (LABELS, PART[:5], "6 images have parts of the shape (5,), not (6,)"),
    "an unknown part": (
        LABELS,
        np.array([0, 0, 0, 1, 1, 7]),
        "other values than 0 train, 1 test, 2 unlabeled",
    ),
    "parts by name": (LABELS, np.array(["train"] * 6), "part has other values than 0 train"),
    "parts as floats": (LABELS, PART * 1.0, "part has other values than 0 train"),
    "no train part": (LABELS, np.array([1, 1, 1, 1, 1, 2]), "no image is of the train part"),
}


@pytest.mark.parametrize("case", IMAGES)
def test_images_that_are_no_bytes_are_refused_with_the_remedy(case):
    images, message = IMAGES[case]
    with pytest.raises(ValueError, match=rf"^own: .*{re.escape(message)}"):
        prepare(images)
    assert not Path("out").exists()


@pytest.mark.parametrize("case", LABELLINGS)
def test_labels_and_parts_that_fit_no_images_are_refused_with_the_remedy(case):
    labels, part, message = LABELLINGS[case]
    with pytest.raises(ValueError, match=rf"^own: .*{re.escape(message)}"):
        prepare(BYTES, labels, part)
    assert not Path("out").exists()


def test_the_remedies_help():
    for images in ((255.0 * (BYTES / 255)).round().astype(np.uint8), BYTES.transpose(0, 2, 3, 1).transpose(0, 3, 1, 2)):
        assert (prepare(images).images == BYTES).all()
    assert prepare(BYTES[:, 0][:, None]).channels == 1
    names = np.array(["cat", "dog", "cat", "dog", "cat", "dog"])
    assert prepare(BYTES, np.unique(names, return_inverse=True)[1], np.zeros(6, int)).classes == 2


def test_integers_of_any_width_and_truth_values_as_part_are_kept_as_the_prepared_form_has_them():
    data = prepare(BYTES, LABELS.astype(np.int8), PART.astype(np.int64))
    assert (data.labels.dtype, data.part.dtype) == (np.int64, np.uint8)
    data = prepare(BYTES, np.array([0, 1, 0, 1, 0, 1], np.uint16), PART > 0)
    assert data.labels.tolist() == [0, 1, 0, 1, 0, 1]
    assert data.part.tolist() == [0, 0, 0, 1, 1, 1]


numbers = st.sampled_from([0, 1, 255, 256, -1, 0.5, np.nan, np.inf])
kinds = st.sampled_from([np.uint8, np.int8, np.uint16, np.int64, np.float16, np.float64, bool, object, "U3"])


@given(shape=st.lists(st.integers(0, 4), max_size=5), value=numbers, kind=kinds, labels=st.lists(numbers, max_size=5))
def test_whatever_comes_is_written_as_it_is_or_named(tmp_path_factory, shape, value, kind, labels):
    with np.errstate(all="ignore"):
        try:
            images = np.full(shape, value).astype(kind)
        except (ValueError, OverflowError):
            return
    folder = tmp_path_factory.mktemp("any") / "out"
    refused = ""
    try:
        write(folder, images, np.array(labels), np.zeros(len(labels), int), Description("own", "a", "b", "c", "d"))
    except ValueError as error:
        refused = str(error)
    if refused:
        assert refused.startswith("own: ")
        assert not folder.exists()
    else:
        data = prepared.read(folder, verify=True)
        assert (data.images == images).all()
        assert data.labels.tolist() == labels


@pytest.mark.parametrize("name", ["images.npy", "labels.npy", "part.npy"])
def test_arrays_of_another_type_are_not_read(name):
    prepare()
    np.save(f"out/{name}", np.load(f"out/{name}").astype(np.float32))
    with pytest.raises(ValueError, match="out holds arrays of other types than uint8, int64 and uint8; delete out"):
        prepared.read(Path("out"))
