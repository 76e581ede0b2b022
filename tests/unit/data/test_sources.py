"""The sources, each from what its users have: small archives in the official formats, scikit-learn's scans."""

import gzip
import hashlib
import pickle
import socket
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torchvision.datasets import CIFAR10, STL10

from dhel_kcl.data import download, prepared, split
from dhel_kcl.data.catalogue import CATALOGUE
from dhel_kcl.data.fetching import source_of
from dhel_kcl.data.prepared import PARTS
from dhel_kcl.data.sources import digits, fashion_mnist, imagenet100
from dhel_kcl.files import sha256
from tests.pipeline import ROOT
from tests.unit.data.damage import mutated, mutations
from tests.unit.data.official import (
    CLASSES,
    MAKERS,
    cifar10_files,
    fashion_files,
    md5,
    publish,
    publish_idx,
    publish_tar,
    stl10_files,
    tar_gz,
)

DIGITS = {
    "images.npy": "16e0fa511054dddcfede4bdb9c4916dcd5a89b9ae401b18a5f6934a10c76a96b",
    "labels.npy": "0e1c5e26d7ec59f910975e2cd61b6b76bc67b4bfaa8a4233726a6038d8e62a2c",
    "manifest.json": "385700943373a1414109c0fe85e53f536ed6f17193eda88ee3bfb068e02ba294",
    "part.npy": "68a2f9da85ca9c6e09644771cbba3629c578378292650b41b6c514bf04058c2a",
}
"""SHA-256 of the prepared digits that the committed results come from."""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An empty working folder, whose folder "mirror" is the only source."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mirror").mkdir()
    monkeypatch.setenv(download.MIRROR, str(tmp_path / "mirror"))
    return tmp_path


def prepare(name):
    source_of(name)(Path("out"))
    return prepared.read(Path("out"), verify=True)


def test_digits_are_the_scans_that_scikit_learn_ships(digits_folder):
    from sklearn.datasets import load_digits

    data, original = prepared.read(digits_folder, verify=True), load_digits()
    assert data.images.shape == (1797, 1, 8, 8)
    assert data.images.dtype == np.uint8
    np.testing.assert_array_equal(np.round(data.images[:, 0] / 255 * 16), original.images)
    np.testing.assert_array_equal(data.labels, original.target)
    assert data.classes == 10


def test_other_content_is_refused_and_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(digits, "CONTENT_SHA256", "0" * 64)
    with pytest.raises(ValueError, match="other data"):
        digits.fetch(tmp_path / "digits")
    assert not (tmp_path / "digits").exists()


def test_the_prepared_digits_are_those_of_the_results(digits_folder):
    assert {path.name: sha256(path) for path in digits_folder.iterdir()} == DIGITS


@pytest.mark.parametrize("name", MAKERS)
def test_the_official_format_is_read(name, monkeypatch):
    expected = publish(name, monkeypatch)
    data = prepare(name)
    assert data.images.dtype == np.uint8
    assert data.labels.dtype == np.int64
    assert len(data.images) == sum(len(pixels) for pixels, _ in expected.values())
    for part, (pixels, labels) in expected.items():
        np.testing.assert_array_equal(data.images[data.part == PARTS[part]], pixels)
        np.testing.assert_array_equal(data.labels[data.part == PARTS[part]], labels)
    assert data.classes == (100 if name == "cifar100" else 10)
    assert list(Path("scratch/downloads").iterdir()) == []


@pytest.mark.parametrize("name", CATALOGUE)
def test_licence_and_citation_are_documented(name, monkeypatch):
    if name in MAKERS:
        publish(name, monkeypatch)
    description = imagenet100.DESCRIPTION if name == "imagenet100" else prepare(name).manifest.description
    rows = [line for line in (ROOT / "docs/datasets.md").read_text().splitlines() if line.startswith(f"| `{name}` ")]
    assert len(rows) == 1
    for stated in (description.origin, description.licence, description.citation):
        assert stated in rows[0]


def test_unlabeled_images_are_neither_fitted_nor_evaluated(monkeypatch):
    publish("stl10", monkeypatch)
    data = prepare("stl10")
    draw = split.draw(data.labels, data.part, train=None, validation=10, test=10, seed=0)
    drawn = np.concatenate([draw[name] for name in ("train", "validation", "test")])
    assert len(drawn) == 30
    assert (data.labels[drawn] >= 0).all()
    assert (data.part[draw["test"]] == PARTS["test"]).all()
    with pytest.raises(ValueError, match="asks for 11 images where only 10 are left"):
        split.draw(data.labels, data.part, train=11, validation=10, test=10, seed=0)


def test_fashion_mnist_is_the_same_from_a_folder_of_idx_files(here, monkeypatch):
    publish("fashion_mnist", monkeypatch)
    from_archives = prepare("fashion_mnist").manifest
    files, _ = fashion_files()
    for suffix, pack in (("", bytes), (".gz", lambda content: gzip.compress(content, 1, mtime=1))):
        folder = here / f"idx{suffix}"
        folder.mkdir()
        for name, content in files.items():
            (folder / f"{name}{suffix}").write_bytes(pack(content))
        monkeypatch.setenv(download.MIRROR, str(folder))
        assert prepare("fashion_mnist").manifest == from_archives


def test_other_content_in_an_idx_folder_is_named_and_kept(here, monkeypatch):
    publish("fashion_mnist", monkeypatch)
    mine = here / "mirror/t10k-labels-idx1-ubyte"
    mine.write_bytes(b"mine")
    right = fashion_mnist.CONTENT_SHA256[mine.name]
    message = f"{mine} holds a file with the SHA-256 {hashlib.sha256(b'mine').hexdigest()}, not {right}"
    with pytest.raises(ValueError, match=message):
        prepare("fashion_mnist")
    assert mine.read_bytes() == b"mine"
    assert not Path("out").exists()


class Malicious:
    """Writes a file when it is unpickled."""

    def __reduce__(self):
        return (Path.touch, (Path("opened").absolute(),))


@pytest.mark.parametrize("replaced", ["archive", "file"])
def test_no_pickle_is_opened_before_its_checksum_matched(monkeypatch, replaced):
    files, _ = cifar10_files()
    evil = files | {"cifar-10-batches-py/data_batch_1": pickle.dumps(Malicious())}
    publish_tar(CIFAR10, tar_gz(evil), files, monkeypatch, Path("mirror"))
    if replaced == "archive":
        monkeypatch.setattr(CIFAR10, "tgz_md5", md5(tar_gz(files)))
    with pytest.raises((ValueError, OSError), match=r"cifar-10-python\.tar\.gz"):
        prepare("cifar10")
    assert not Path("opened").exists()
    assert not Path("out").exists()
    pickle.loads(evil["cifar-10-batches-py/data_batch_1"])
    assert Path("opened").exists()  # it would have worked


def test_a_full_mirror_folder_needs_no_network(monkeypatch):
    publish("cifar10", monkeypatch)

    def refuse(*arguments):
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert len(prepare("cifar10").images) == 36


def test_content_that_does_not_fit_together_is_named(monkeypatch):
    files, _ = stl10_files()
    for name, content in (("test_X.bin", bytes(100)), ("train_y.bin", bytes([1, 2])), ("test_y.bin", bytes([11] * 10))):
        damaged = files | {f"stl10_binary/{name}": content}
        publish_tar(STL10, tar_gz(damaged), damaged, monkeypatch, Path("mirror"))
        with pytest.raises(ValueError, match=r"stl10_binary\.tar\.gz cannot be read: .*(reshape|labels)"):
            prepare("stl10")
        assert not Path("out").exists()


near_start = st.lists(st.tuples(st.floats(0, 0.001), st.binary(min_size=1, max_size=8)), max_size=4)


def prepare_damaged(name, kind, changes, keep):
    """Damage to the IDX files, or to the tar archive inside or outside its compression, under matching checksums."""
    files, _ = MAKERS[name]()
    error = None
    with pytest.MonkeyPatch.context() as monkeypatch:
        if name == "fashion_mnist":
            target = sorted(files)[kind % 4]
            publish_idx(files | {target: mutated(files[target], changes, keep)}, monkeypatch, Path("mirror"))
        else:
            archive = tar_gz(files)
            if kind % 2:
                archive = gzip.compress(mutated(gzip.decompress(archive), changes, keep), 1)
            else:
                archive = mutated(archive, changes, keep)
            publish_tar(CLASSES[name], archive, files, monkeypatch, Path("mirror"))
        try:
            data = prepare(name)
            assert len(data.labels) == len(data.images)
        except (ValueError, OSError) as raised:
            error = raised
    expected = "idx" if name == "fashion_mnist" else CLASSES[name].filename
    assert error is None or expected in str(error)


damage = given(
    name=st.sampled_from(["cifar100", "stl10", "fashion_mnist", "fashion_mnist"]),
    kind=st.integers(0, 3),
    changes=mutations | near_start,
    keep=st.sampled_from([1.0, 1.0, 0.7, 0.01]),
)
per_test_folder = [HealthCheck.function_scoped_fixture]


@pytest.mark.slow
@settings(max_examples=200, deadline=None, suppress_health_check=per_test_folder)
@damage
def test_no_damage_ends_in_another_exception(name, kind, changes, keep):
    prepare_damaged(name, kind, changes, keep)


@pytest.mark.torture
@settings(max_examples=10_000, deadline=None, suppress_health_check=per_test_folder)
@damage
def test_ten_thousand_damages_end_in_no_other_exception(name, kind, changes, keep):
    prepare_damaged(name, kind, changes, keep)
