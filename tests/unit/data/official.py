"""Small archives in the official formats of the public data sets, whose checksums tests put in torchvision's place.

A user cannot replace them: the checksums are torchvision's.
"""

import gzip
import hashlib
import io
import pickle
import struct
import tarfile
from pathlib import Path
from typing import ClassVar

import numpy as np
from torchvision.datasets import CIFAR10, CIFAR100, STL10, FashionMNIST

from dhel_kcl.data.sources import fashion_mnist

CLASSES = {"cifar10": CIFAR10, "cifar100": CIFAR100, "stl10": STL10, "fashion_mnist": FashionMNIST}


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
