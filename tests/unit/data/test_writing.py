import re

import numpy as np
import pytest
from PIL import Image

from dhel_kcl.data import prepared
from dhel_kcl.data.prepared import Description
from dhel_kcl.data.writing import write, write_encoded, write_parts
from dhel_kcl.files import read_json

DESCRIPTION = Description("own", "here", "here", "none", "mine", {"md5": {"a.zip": "0"}})


def parts_of(**changes):
    images = np.arange(6 * 3 * 2 * 2, dtype=np.uint8).reshape(6, 3, 2, 2)
    parts = {"train": (images[:3], np.array([0, 1, 2])), "test": (images[3:4], np.array([1]))}
    return parts | {"unlabeled": (images[4:], np.full(2, -1))} | changes


def test_parts_are_joined_in_order_with_their_labels(tmp_path):
    write_parts(tmp_path, parts_of(), 3, DESCRIPTION)
    data = prepared.read(tmp_path, verify=True)
    np.testing.assert_array_equal(data.images.ravel(), np.arange(72))
    assert (data.images.dtype, data.labels.dtype, data.part.dtype) == (np.uint8, np.int64, np.uint8)
    assert data.labels.tolist() == [0, 1, 2, 1, -1, -1]
    assert data.part.tolist() == [0, 0, 0, 1, 2, 2]
    assert (data.encoded, data.channels, data.classes) == (False, 3, 3)


def test_the_manifest_says_where_the_data_come_from_and_what_they_are(tmp_path):
    write_parts(tmp_path, parts_of(), 3, DESCRIPTION)
    content = read_json(tmp_path / "manifest.json")
    sums = content.pop("sha256")
    assert list(sums) == ["images.npy", "labels.npy", "part.npy"]
    named = {"name": "own", "source": "here", "origin": "here", "citation": "none", "licence": "mine"}
    assert content == named | {"md5": {"a.zip": "0"}, "images": [6, 3, 2, 2], "classes": 3}


def test_the_manifest_of_encoded_images_says_so(tmp_path):
    for name in ("a", "b"):
        Image.new("RGB", (5, 4)).save(tmp_path / f"{name}.png")
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    write_encoded(tmp_path / "out", paths, np.arange(2), np.zeros(2, np.uint8), DESCRIPTION)
    content = read_json(tmp_path / "out/manifest.json")
    assert [content[key] for key in ("encoded", "images", "channels", "classes")] == [True, [2], 3, 2]
    data = prepared.read(tmp_path / "out", verify=True)
    assert (data.encoded, data.channels, data.classes) == (True, 3, 2)
    content = paths[0].read_bytes() + paths[1].read_bytes()
    assert data.images[prepared.offsets_of(data.images, 2)[0] :].tobytes() == content


@pytest.mark.parametrize(
    ("part", "labels", "message"),
    [
        ("test", [1, 2], "1 test images have 2 labels"),
        ("train", [0, 1, 3], "train labels range from 0 to 3"),
        ("train", [0, -1, 1], "train labels range from -1 to 1"),
        ("unlabeled", [-1, 0], "unlabeled labels range from -1 to 0"),
        ("unlabeled", [-2, -1], "unlabeled labels range from -2 to -1"),
    ],
)
def test_labels_that_do_not_fit_are_refused_before_anything_is_written(tmp_path, part, labels, message):
    parts = parts_of(**{part: (parts_of()[part][0], np.array(labels))})
    with pytest.raises(ValueError, match=re.escape(message)):
        write_parts(tmp_path / "out", parts, 3, DESCRIPTION)
    assert not (tmp_path / "out").exists()


def test_images_written_one_after_the_other_replace_those_before(tmp_path):
    for level in (100, 200):
        write(tmp_path, np.full((2, 1, 4, 4), level, np.uint8), np.arange(2), np.zeros(2, np.uint8), DESCRIPTION)
        assert (prepared.read(tmp_path, verify=True).images == level).all()
