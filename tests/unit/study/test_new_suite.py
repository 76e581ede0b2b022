"""Suites for one's own images, as they are written: valid, fitting, and to be read."""

import re
from pathlib import Path

import pytest
import yaml

from dhel_kcl.study import job_counts
from dhel_kcl.study.new_suite import NewSuite
from dhel_kcl.study.suite import Suite
from tests.unit.data.photographs import lay_out_digits, lay_out_photographs


def loaded(root, folder, size=32):
    (root / "config/suites/mine.yaml").write_text(NewSuite.of("mine", folder, size).text("an hour"), encoding="utf-8")
    return Suite.load(root, "mine")


@pytest.mark.parametrize("size", [8, 32, 64, 96, 97, 224])
def test_what_is_written_is_a_suite_of_all_images(root, size):
    suite = loaded(root, lay_out_photographs(root / "photos", {"": 60}), size)
    sizes = job_counts.subset_sizes(suite, "mine")
    assert sizes["train"] + sizes["validation"] + sizes["test"] == 120
    assert suite.dataset("mine").images == ("memory" if size <= 96 else "streamed")
    assert suite.settings("mine").backbone.name == ("compact_resnet" if size <= 96 else "resnet18")
    assert all(job_counts.steps(suite, run) > 0 for run in suite.runs if run.method not in ("pixels", "random"))


def test_parts_of_the_folders_are_taken_whole(root):
    suite = loaded(root, lay_out_photographs(root / "photos", {"train": 20, "val": 6, "test": 5}))
    assert job_counts.subset_sizes(suite, "mine") == {"pretrain": 40, "train": 40, "validation": 12, "test": 10}


@pytest.mark.parametrize(("digits", "sizes"), [(150, [16]), (800, [16, 64])])
def test_batch_sizes_grow_with_the_number_of_images(root, digits, sizes):
    suite = loaded(root, lay_out_digits(root / "digits", digits), 8)
    assert list(suite.settings("mine").batch_sizes) == sizes


def test_images_without_a_class_count_for_the_length_of_a_training(root, monkeypatch):
    """Which sees them too."""
    folder = lay_out_photographs(root / "photos", {"": 60})
    without = NewSuite.of("mine", folder, 32)
    monkeypatch.setattr(type(without.found), "count", lambda listing, part: 5000 if part == "unlabeled" else 0)
    text = without.text("an hour")
    images = without.train + 5000
    epochs = yaml.safe_load(text)["training"]["epochs"]
    assert epochs == round(200_000 / images)
    assert f"# {epochs * images:,} images seen in a training." in text


def test_the_file_says_what_it_is_and_what_it_costs(root):
    folder = lay_out_photographs(root / 'with "quotes": and ü', {"": 60})
    text = NewSuite.of("mine", folder, 32).text("an hour")
    assert text.startswith("# mine: 120 images in 2 classes")
    assert "\n# Cost: an hour\n" in text
    assert yaml.safe_load(text)["datasets"]["mine"]["folder"] == str(folder)
    assert sum(line.lstrip().startswith("#") for line in text.splitlines()) > 12


@pytest.mark.parametrize("name", ["splits", "my suite", "Mine", "my-suite", "", "../x"])
def test_a_name_that_is_none_is_refused(name):
    message = re.escape(f"{name!r} is no name for a suite; use a-z, 0-9 and _ (but not splits)")
    with pytest.raises(ValueError, match=f"^{message}$"):
        NewSuite.of(name, Path("photos"), 32)


@pytest.mark.parametrize("name", ["cifar10", "fashion_mnist"])
def test_a_public_data_sets_name_is_refused(name):
    with pytest.raises(ValueError, match=f"^'{name}' is the name of a public data set; choose another$"):
        NewSuite.of(name, Path("photos"), 32)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"": 5}, "photos: 6 images are left to train with, of 10; 16 are needed"),
        ({"train": 20, "test": 1}, None),
        ({"train": 4, "val": 3, "test": 3}, "photos: 8 images are left to train with, of 8; 16 are needed"),
    ],
)
def test_too_few_images_are_told(root, counts, message):
    folder = lay_out_photographs(root / "photos", counts)
    if message is None:
        assert NewSuite.of("mine", folder, 32).test == 2
        return
    with pytest.raises(ValueError, match=message):
        NewSuite.of("mine", folder, 32)
