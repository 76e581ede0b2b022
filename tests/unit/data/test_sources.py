"""The public data sets, from small archives in the official formats whose checksums the tests put in torchvision's
place. (A user cannot: the checksums are torchvision's.)"""

import gzip
import hashlib
import io
import pickle
import socket
import struct
import sys
import tarfile
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torchvision.datasets import CIFAR10, CIFAR100, STL10, FashionMNIST

from dhel_kcl.data import download, parts, prepared, split
from dhel_kcl.data.catalogue import CATALOGUE, source_of
from dhel_kcl.data.sources import cifar, fashion_mnist, imagenet100, stl10
from dhel_kcl.steps import fetch
from tests.pipeline import ROOT
from tests.unit.data.test_download import mutated

CLASSES = {"cifar10": CIFAR10, "cifar100": CIFAR100, "stl10": STL10, "fashion_mnist": FashionMNIST}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An empty working folder, whose folder "mirror" is the only source."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mirror").mkdir()
    monkeypatch.setenv(download.MIRROR, str(tmp_path / "mirror"))
    for module in (cifar, stl10, fashion_mnist):
        monkeypatch.setattr(module, "SPACE", 0)
    return tmp_path


def md5(content):
    return hashlib.md5(content).hexdigest()


class Python2Pickler(pickle._Pickler):
    """Pickles as Python 2 did, which wrote CIFAR's files: every string a byte string."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def save_string(self, text):
        raw = text.encode() if isinstance(text, str) else text
        self.write(pickle.BINSTRING + struct.pack("<i", len(raw)) + raw)
        self.memoize(text)

    dispatch[str] = dispatch[bytes] = save_string


def python2_pickle(content):
    file = io.BytesIO()
    Python2Pickler(file, protocol=2).dump(content)
    return file.getvalue().replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")


def tar_gz(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        folder = tarfile.TarInfo(next(iter(files)).split("/")[0])
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), 1)


def images(count, channels, size, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, channels, size, size), np.uint8)


def cifar_files(base, batches, meta):
    """Files of a CIFAR archive: each batch is (name, images, {label key: labels})."""
    files = {}
    for name, pixels, labels in batches:
        count = len(pixels)
        names = [f"image_{k}.png" for k in range(count)]
        content = {"batch_label": name, **labels, "data": pixels.reshape(count, -1), "filenames": names}
        files[f"{base}/{name}"] = python2_pickle(content)
    return files | {f"{base}/{meta[0]}": python2_pickle(meta[1]), f"{base}/readme.html": b"<html>"}


def cifar10_files(count=6):
    labels = np.resize([0, 9, 4, 1, 2, 3, 5, 6, 7, 8], count).tolist()
    names = [f"data_batch_{k}" for k in range(1, 6)] + ["test_batch"]
    batches = [(name, images(count, 3, 32, seed), {"labels": labels}) for seed, name in enumerate(names)]
    files = cifar_files("cifar-10-batches-py", batches, ("batches.meta", {"label_names": list("abcdefghij")}))
    return files, {
        "train": (np.concatenate([batch[1] for batch in batches[:5]]), labels * 5),
        "test": (batches[5][1], labels),
    }


def cifar100_files(train=8, test=5):
    batches = []
    for name, count in (("train", train), ("test", test)):
        labels = {"fine_labels": [99 - k % 100 for k in range(count)], "coarse_labels": [0] * count}
        batches.append((name, images(count, 3, 32, count), labels))
    files = cifar_files("cifar-100-python", batches, ("meta", {"fine_label_names": ["x"] * 100}))
    return files, {name: (pixels, labels["fine_labels"]) for name, pixels, labels in batches}


def stl10_files():
    expected = {
        "train": (images(20, 3, 96), np.arange(20) % 10),
        "test": (images(10, 3, 96, 1), np.arange(10)),
        "unlabeled": (images(7, 3, 96, 2), np.full(7, -1)),
    }
    files = {}
    for name, (pixels, labels) in expected.items():
        files[f"stl10_binary/{name}_X.bin"] = pixels.transpose(0, 1, 3, 2).tobytes()  # column by column
        if name != "unlabeled":
            files[f"stl10_binary/{name}_y.bin"] = (labels + 1).astype(np.uint8).tobytes()
    return files | {"stl10_binary/class_names.txt": b"airplane\n", "stl10_binary/fold_indices.txt": b"0 1\n"}, expected


def fashion_files():
    expected = {"train": (images(30, 1, 28), np.arange(30) % 10), "test": (images(10, 1, 28, 1), np.arange(10))}
    files = {}
    for name, prefix in (("train", "train"), ("test", "t10k")):
        pixels, labels = expected[name]
        header = struct.pack(">IIII", 2051, len(pixels), 28, 28)
        files[f"{prefix}-images-idx3-ubyte"] = header + pixels.tobytes()
        files[f"{prefix}-labels-idx1-ubyte"] = struct.pack(">II", 2049, len(labels)) + labels.astype(np.uint8).tobytes()
    return files, expected


MAKERS = {"cifar10": cifar10_files, "cifar100": cifar100_files, "stl10": stl10_files, "fashion_mnist": fashion_files}


def publish(name, monkeypatch, folder=Path("mirror")):
    """Put a small official archive into `folder`, and its checksums into torchvision; returns the expected arrays."""
    files, expected = MAKERS[name]()
    if name == "fashion_mnist":
        publish_idx(files, monkeypatch, folder)
    else:
        publish_tar(CLASSES[name], tar_gz(files), files, monkeypatch, folder)
    return expected


def publish_idx(files, monkeypatch, folder):
    archives = {f"{file}.gz": gzip.compress(content) for file, content in files.items()}
    monkeypatch.setattr(FashionMNIST, "resources", [(file, md5(content)) for file, content in archives.items()])
    sums = {file: hashlib.sha256(content).hexdigest() for file, content in files.items()}
    monkeypatch.setattr(fashion_mnist, "CONTENT_SHA256", sums)
    for file, content in archives.items():
        (folder / file).write_bytes(content)


def publish_tar(dataset, archive, files, monkeypatch, folder):
    (folder / dataset.filename).write_bytes(archive)
    for key, value in checksums(dataset, archive, files).items():
        monkeypatch.setattr(dataset, key, value)


def checksums(dataset, archive, files):
    """Attributes of torchvision's class that state an archive's checksums and those of its files."""
    sums = {name.split("/")[1]: md5(content) for name, content in files.items()}
    lists = {key: [[file, sums[file]] for file, _ in getattr(dataset, key)] for key in ("train_list", "test_list")}
    meta = {"meta": dataset.meta | {"md5": sums[dataset.meta["filename"]]}} if hasattr(dataset, "meta") else {}
    return {"tgz_md5": md5(archive)} | lists | meta


def prepare(name):
    source_of(name)(Path("out"))
    return prepared.read(Path("out"), verify=True)


@pytest.mark.parametrize("name", MAKERS)
def test_the_official_format_is_read(name, monkeypatch):
    expected = publish(name, monkeypatch)
    data = prepare(name)
    assert data.images.dtype == np.uint8
    assert data.labels.dtype == np.int64
    assert len(data.images) == sum(len(pixels) for pixels, _ in expected.values())
    for part, (pixels, labels) in expected.items():
        np.testing.assert_array_equal(data.images[data.part == parts.PARTS[part]], pixels)
        np.testing.assert_array_equal(data.labels[data.part == parts.PARTS[part]], labels)
    assert data.manifest["classes"] == (100 if name == "cifar100" else 10)
    assert list(Path("scratch/downloads").iterdir()) == []


@pytest.mark.parametrize("name", CATALOGUE)
def test_licence_and_citation_are_documented(name, monkeypatch):
    if name in MAKERS:
        publish(name, monkeypatch)
    manifest = imagenet100.DESCRIPTION if name == "imagenet100" else prepare(name).manifest
    rows = [line for line in (ROOT / "docs/datasets.md").read_text().splitlines() if line.startswith(f"| `{name}` ")]
    assert len(rows) == 1
    for key in ("origin", "licence", "citation"):
        assert manifest[key] in rows[0]


def test_unlabeled_images_are_neither_fitted_nor_evaluated(monkeypatch):
    publish("stl10", monkeypatch)
    data = prepare("stl10")
    draw = split.draw(data.labels, data.part, train=None, validation=10, test=10, seed=0)
    drawn = np.concatenate([draw[name] for name in ("train", "validation", "test")])
    assert len(drawn) == 30
    assert (data.labels[drawn] >= 0).all()
    assert (data.part[draw["test"]] == parts.PARTS["test"]).all()
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


@pytest.mark.parametrize("name", MAKERS)
def test_a_missing_archive_ends_in_one_line_with_the_remedy(name, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["fetch", "--dataset", name, "--out", "out"])
    with pytest.raises(SystemExit):
        fetch.cli.run(fetch.main)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: cannot get ")
    assert "does not exist" in line
    assert f"set {download.MIRROR} to that folder" in line


def test_too_little_space_is_told_before_the_download(monkeypatch):
    for module, name in ((cifar, "cifar10"), (stl10, "stl10"), (fashion_mnist, "fashion_mnist")):
        monkeypatch.setattr(module, "SPACE", 10**18)
        with pytest.raises(OSError, match=r"1000000000\.00 GB of disk space are needed"):
            prepare(name)


def test_content_that_does_not_fit_together_is_named(monkeypatch):
    files, _ = stl10_files()
    for name, content in (("test_X.bin", bytes(100)), ("train_y.bin", bytes([1, 2])), ("test_y.bin", bytes([11] * 10))):
        damaged = files | {f"stl10_binary/{name}": content}
        publish_tar(STL10, tar_gz(damaged), damaged, monkeypatch, Path("mirror"))
        with pytest.raises(ValueError, match=r"stl10_binary\.tar\.gz cannot be read: .*(reshape|labels)"):
            prepare("stl10")
        assert not Path("out").exists()


mutations = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=8)), max_size=4)
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


@settings(max_examples=200, deadline=None, suppress_health_check=per_test_folder)
@damage
def test_no_damage_ends_in_another_exception(name, kind, changes, keep):
    prepare_damaged(name, kind, changes, keep)


@pytest.mark.torture
@settings(max_examples=10_000, deadline=None, suppress_health_check=per_test_folder)
@damage
def test_ten_thousand_damages_end_in_no_other_exception(name, kind, changes, keep):
    prepare_damaged(name, kind, changes, keep)
