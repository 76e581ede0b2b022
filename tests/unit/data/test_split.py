import sys

import numpy as np
import pytest

from dhel_kcl.data import prepared, split
from dhel_kcl.data.prepared import PARTS
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
    split.write(tmp_path / "split.npz", drawn)
    read = split.read(tmp_path / "split.npz")
    assert list(read) == list(split.SUBSETS)
    for name, index in drawn.items():
        np.testing.assert_array_equal(read[name], index)


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
