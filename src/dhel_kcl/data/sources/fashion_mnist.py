"""Fashion-MNIST: 60,000 training and 10,000 test images of 28x28 pixels in grey, 10 classes.

Taken from the official archives, or from a folder named in DHEL_KCL_MIRROR that holds the four IDX files, plain or
compressed by anyone: what counts is their content.
"""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from dhel_kcl.data.archives import opening, read_bounded, workspace
from dhel_kcl.data.download import in_mirror_folder, obtain
from dhel_kcl.data.prepared import Description
from dhel_kcl.data.writing import write_parts

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
CLASSES = 10


def fetch(folder: Path) -> None:
    """Prepare Fashion-MNIST in `folder`."""
    from torchvision.datasets import FashionMNIST

    prepare(folder, FashionMNIST, CONTENT_SHA256)


def prepare(folder: Path, dataset: type["FashionMNIST"], content_sha256: dict[str, str]) -> None:
    """Prepare what torchvision's `dataset`, which states addresses and checksums, reads from the IDX files.

    Raises ValueError or OSError naming the file at fault.
    """
    description = Description(
        name="fashion_mnist",
        source=", ".join(dataset.mirrors),
        origin="https://github.com/zalandoresearch/fashion-mnist",
        citation="H. Xiao, K. Rasul, R. Vollgraf (2017), Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine "
        "Learning Algorithms, arXiv:1708.07747",
        licence="MIT",
        details={"md5": dict(dataset.resources)},
    )
    sources = {archive: _find(archive, md5, dataset.mirrors) for archive, md5 in dataset.resources}
    with workspace("fashion-mnist.unpacked") as root:
        raw = root / dataset.__name__ / "raw"
        raw.mkdir(parents=True)
        for archive, path in sources.items():
            name = archive.removesuffix(".gz")
            content = read_bounded(path, UNPACKED)
            if (found := hashlib.sha256(content).hexdigest()) != content_sha256[name]:
                raise ValueError(f"{path} holds a file with the SHA-256 {found}, not {content_sha256[name]}")
            (raw / name).write_bytes(content)
        with opening(*sources.values()):
            official = {part: dataset(root, train=part == "train") for part in ("train", "test")}
            arrays = {part: (read.data[:, None].numpy(), read.targets.numpy()) for part, read in official.items()}
            write_parts(folder, arrays, CLASSES, description)


def _find(archive: str, md5: str, mirrors: list[str]) -> Path:
    """The IDX file, plain or compressed by anyone, in a folder that the user names; otherwise the official archive."""
    in_folder = in_mirror_folder(archive.removesuffix(".gz"), archive)
    return in_folder or obtain(archive, [mirror + archive for mirror in mirrors], md5)
