import numpy as np
import pytest

from dhel_kcl.data import prepared, split
from dhel_kcl.data.parts import UNLABELED
from dhel_kcl.data.sources import digits


def test_digits_are_the_scans_that_scikit_learn_ships(digits_folder):
    from sklearn.datasets import load_digits

    data, original = prepared.read(digits_folder, verify=True), load_digits()
    assert data.images.shape == (1797, 1, 8, 8)
    assert data.images.dtype == np.uint8
    np.testing.assert_array_equal(np.round(data.images[:, 0] / 255 * 16), original.images)
    np.testing.assert_array_equal(data.labels, original.target)
    assert data.manifest["classes"] == 10


def test_other_content_is_refused_and_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(digits, "CONTENT_SHA256", "0" * 64)
    with pytest.raises(ValueError, match="other data"):
        digits.fetch(tmp_path / "digits")
    assert not (tmp_path / "digits").exists()


@pytest.mark.parametrize("name", ["manifest.json", "images.npy", "labels.npy", "part.npy"])
def test_a_missing_file_is_named_with_its_remedy(tmp_path, name):
    digits.fetch(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(FileNotFoundError, match=rf"{name} is missing; delete .* run"):
        prepared.read(tmp_path)


def test_a_changed_pixel_is_found(tmp_path):
    digits.fetch(tmp_path)
    content = bytearray((tmp_path / "images.npy").read_bytes())
    content[-1] ^= 1
    (tmp_path / "images.npy").write_bytes(content)
    with pytest.raises(ValueError, match=r"images\.npy does not have the content its manifest states"):
        prepared.read(tmp_path, verify=True)


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
    part = np.repeat(np.array([0, UNLABELED], np.uint8), [60, 40])
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
