"""Fashion-MNIST: 60,000 training and 10,000 test images of 28x28 pixels in grey, 10 classes.

Taken from the official archives, or from a folder named in DHEL_KCL_MIRROR that holds the four IDX files, plain or
compressed by anyone: what counts is their content.
"""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from dhel_kcl.data import download, parts

if TYPE_CHECKING:
    from torchvision.datasets import FashionMNIST

CONTENT_SHA256 = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
"""Of the official archives' content, decompressed."""
UNPACKED = 48_000_000
"""Most bytes that one of the files may have; the largest has 47,040,016."""
SPACE = 150_000_000
"""Bytes on disk of the archives, their files and the prepared form together."""

DESCRIPTION = {
    "name": "fashion_mnist",
    "classes": 10,
    "origin": "https://github.com/zalandoresearch/fashion-mnist",
    "citation": "H. Xiao, K. Rasul, R. Vollgraf (2017), Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine "
    "Learning Algorithms, arXiv:1708.07747",
    "licence": "MIT",
}


def fetch(folder: Path) -> None:
    """Prepare Fashion-MNIST in `folder`."""
    from torchvision.datasets import FashionMNIST

    prepare(folder, FashionMNIST, CONTENT_SHA256)


def prepare(folder: Path, dataset: type["FashionMNIST"], content_sha256: dict[str, str]) -> None:
    """Prepare what torchvision's `dataset`, which states addresses and checksums, reads from the IDX files.

    Raises ValueError or OSError naming the file at fault.
    """
    download.require_space(folder, SPACE)
    with download.workspace("fashion-mnist.unpacked") as root:
        raw = root / dataset.__name__ / "raw"
        raw.mkdir(parents=True)
        sources = []
        for archive, md5 in dataset.resources:
            name = archive.removesuffix(".gz")
            urls = [mirror + archive for mirror in dataset.mirrors]
            path = download.in_mirror_folder(name, archive) or download.obtain(archive, urls, md5)
            content = download.read_bounded(path, UNPACKED)
            if (found := hashlib.sha256(content).hexdigest()) != content_sha256[name]:
                raise ValueError(f"{path} holds a file with the SHA-256 {found}, not {content_sha256[name]}")
            (raw / name).write_bytes(content)
            sources.append(path)
        with download.reading(*sources):
            official = {name: dataset(root, train=name == "train") for name in ("train", "test")}
            arrays = {name: (part.data[:, None].numpy(), part.targets.numpy()) for name, part in official.items()}
            source = {"source": ", ".join(dataset.mirrors), "md5": dict(dataset.resources)}
            parts.write(folder, arrays, DESCRIPTION | source)
