import re
import sys

import numpy as np
import pytest

from dhel_kcl.data import prepared, split
from dhel_kcl.data.prepared import PARTS, Description
from dhel_kcl.data.writing import write
from dhel_kcl.steps import split as step


def test_split_is_disjoint_stratified_and_seeded(digits_folder):
    data = prepared.read(digits_folder)
    draw = split.draw(data.labels, data.part, None, validation=300, test=600, seed=0)
    np.testing.assert_array_equal(draw.pop("pretrain"), draw["train"])
    assert {name: len(index) for name, index in draw.items()} == {"train": 897, "validation": 300, "test": 600}
    assert len(np.unique(np.concatenate(list(draw.values())))) == 1797
    overall = np.bincount(data.labels) / 1797
    for index in draw.values():
        np.testing.assert_allclose(np.bincount(data.labels[index]) / len(index), overall, atol=0.005)
    again = split.draw(data.labels, data.part, None, validation=300, test=600, seed=0)
    other = split.draw(data.labels, data.part, None, validation=300, test=600, seed=1)
    np.testing.assert_array_equal(draw["test"], again["test"])
    assert not np.array_equal(draw["test"], other["test"])


@pytest.mark.parametrize("official", [(), ("test",), ("test", "validation")])
def test_every_subset_is_stratified_and_random(official):
    """Whatever its pool is, and where not all that is left is taken; images are sorted by label."""
    parts = ["train", *official]
    labels, part = np.tile(np.repeat([0, 1], 50), len(parts)), np.repeat([PARTS[name] for name in parts], 100)
    sizes = {"train": 20, "validation": 10, "test": 10}
    draws = [split.draw(labels, part.astype(np.uint8), **sizes, seed=seed) for seed in (0, 1)]
    for name, size in sizes.items():
        first, second = (draw[name] for draw in draws)
        assert np.bincount(labels[first]).tolist() == [size // 2, size // 2]
        assert not np.array_equal(first, second)


def test_pretraining_gets_the_unlabeled_images_besides():
    labels = np.concatenate([np.arange(60) % 2, np.full(40, -1)])
    part = np.repeat(np.array([PARTS["train"], PARTS["unlabeled"]], np.uint8), [60, 40])
    draw = split.draw(labels, part, train=30, validation=10, test=20, seed=0)
    assert [len(draw[name]) for name in ("train", "validation", "test", "pretrain")] == [30, 10, 20, 70]
    np.testing.assert_array_equal(draw["pretrain"], [*draw["train"], *range(60, 100)])


def test_an_official_test_part_is_kept_apart():
    labels, part = np.arange(100) % 2, (np.arange(100) >= 60).astype(np.uint8)
    draw = split.draw(labels, part, train=None, validation=20, test=40, seed=0)
    assert draw["test"].min() == 60
    assert max(draw["train"].max(), draw["validation"].max()) < 60


def test_too_few_images_are_an_error(digits_folder):
    data = prepared.read(digits_folder)
    with pytest.raises(ValueError, match="asks for 900 images where only 897 are left"):
        split.draw(data.labels, data.part, train=900, validation=300, test=600, seed=0)


def test_a_damaged_split_file_is_named(tmp_path):
    (tmp_path / "split.npz").write_bytes(b"not an archive")
    with pytest.raises(ValueError, match=r"split\.npz is damaged \(ValueError: not an \.npz archive\); delete it"):
        split.read(tmp_path / "split.npz")


def test_what_is_written_is_read_again(digits_folder, tmp_path):
    data = prepared.read(digits_folder)
    drawn = split.draw(data.labels, data.part, train=100, validation=40, test=60, seed=3)
    split.write(tmp_path / "split.npz", drawn, split.Origin.of(data.manifest))
    read = split.read(tmp_path / "split.npz")
    assert list(read) == list(split.SUBSETS)
    for name, index in drawn.items():
        np.testing.assert_array_equal(read[name], index)


def other_data(folder, name="other", images=30, labels=3):
    """A small data set in the folder."""
    pixels = np.random.default_rng(0).integers(0, 256, (images, 1, 8, 8), np.uint8)
    description = Description(name, "here", "here", "none", "mine")
    write(folder, pixels, np.arange(images) % labels, np.zeros(images, np.uint8), description)
    return folder


def drawn_from(folder, path):
    data = prepared.read(folder)
    drawn = split.draw(data.labels, data.part, train=12, validation=6, test=6, seed=0)
    split.write(path, drawn, split.Origin.of(data.manifest))
    return path


def test_spec_data_and_split_of_one_data_set_are_read(tmp_path):
    data, drawn = split.read_with(other_data(tmp_path), drawn_from(tmp_path, tmp_path / "split.npz"), "other")
    assert len(data.labels) == 30
    assert list(drawn) == list(split.SUBSETS)


def test_spec_data_or_split_of_another_data_set_are_named(digits_folder, split_file, tmp_path):
    mine = other_data(tmp_path / "mine")
    larger, changed = other_data(tmp_path / "larger", images=40), other_data(tmp_path / "changed", labels=2)
    path = drawn_from(mine, tmp_path / "mine.npz")
    for data, drawn, dataset, message in [
        (mine, path, "digits", f"spec is for the data set digits, and {mine} holds other (30 images): give --data of"),
        (mine, split_file, "other", "was drawn from digits (1,797 images), and"),
        (digits_folder, path, "digits", "was drawn from other (30 images), and"),
        (larger, path, "other", "was drawn from other (30 images), and"),
        (changed, path, "other", "was drawn from other (30 images) with other labels than"),
    ]:
        with pytest.raises(ValueError, match=re.escape(message)):
            split.read_with(data, drawn, dataset)


@pytest.mark.parametrize("images", [[-1, 3], [0, 30], [0.5, 1.0], ["a", "b"]])
def test_a_split_of_images_that_are_not_there_is_named(tmp_path, images):
    folder = other_data(tmp_path / "mine")
    drawn = split.read(drawn_from(folder, tmp_path / "split.npz")) | {"test": np.array(images)}
    split.write(tmp_path / "split.npz", drawn, split.Origin.of(prepared.read(folder).manifest))
    with pytest.raises(ValueError, match=r"split\.npz is damaged \(.*\); delete it and draw it again"):
        split.read(tmp_path / "split.npz")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0] * 20 + [1], "the split cannot share the images of class 1: only one is left; add images of it"),
        (list(range(10)) * 2, "the split takes 5 images of 20, of 10 classes: each part needs as many images as"),
    ],
)
def test_classes_too_small_for_the_split_are_named(labels, message):
    with pytest.raises(ValueError, match=message):
        split.draw(np.array(labels), np.zeros(len(labels), np.uint8), train=None, validation=2, test=5, seed=0)


def test_the_step_writes_the_split_and_says_how_large_it_is(digits_folder, tmp_path, monkeypatch, capsys):
    out = tmp_path / "split.npz"
    options = ["--data", digits_folder, "--validation", 300, "--test", 600, "--seed", 1, "--out", out]
    monkeypatch.setattr(sys, "argv", ["split", *map(str, options)])
    step.main()
    counts = "train: 897 images, validation: 300 images, test: 600 images, pretrain: 897 images"
    assert capsys.readouterr().out == f"{counts}\n"
    data = prepared.read(digits_folder)
    drawn = split.draw(data.labels, data.part, None, validation=300, test=600, seed=1)
    np.testing.assert_array_equal(split.read(out)["test"], drawn["test"])
