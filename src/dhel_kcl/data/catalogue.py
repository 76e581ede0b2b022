"""Everything that is known of the data sets before one is there: names, sizes, how each is had and how it is read.

A suite describes folders of one's own images itself, and `of_folder` makes their entries. To add a data set that is no
folder of images, write a module in `data.sources` with a function that prepares it in a folder, and an entry here.
"""

from dataclasses import dataclass
from pathlib import Path

from dhel_kcl.data.folders import listing

OWN = "dhel_kcl.data.sources.folder:prepare"
"""Import string of the function that prepares folders of one's own images."""
LARGEST_IN_MEMORY = 96
"""Height and width up to which one's own images are kept in memory unless a suite says otherwise."""


@dataclass(frozen=True)
class Dataset:
    """One data set; `train`, `test` and `unlabeled` count the images of its official parts."""

    title: str
    """Name in tables and figures."""
    source: str
    """Import string of the function that prepares it in a folder; of one's own images, with more arguments."""
    obtained: str
    """How it is had, in a line."""
    train: int
    """All images where there is no official test and validation part. 0 for a folder that is not there."""
    channels: int
    side: int
    """Height of the images, and mostly width; of images of many sizes, about that of the stored ones."""
    classes: int
    disk: int
    """Bytes that archive, unpacked files and prepared form take together while it is prepared."""
    test: int = 0
    unlabeled: int = 0
    validation: int = 0
    streamed: bool = False
    """Whether the images, of many sizes, stay on disk as files and are decoded while a network trains. Otherwise all
    have one size and are kept in memory."""
    approximate: bool = False
    """Whether all sizes depend on what the user provides; otherwise `fetching` checks them."""

    @property
    def images(self) -> str:
        """Name in the registry of what gives its images: "memory" or "streamed"."""
        return "streamed" if self.streamed else "memory"


CATALOGUE = {
    "digits": Dataset(
        title="digits",
        source="dhel_kcl.data.sources.digits:fetch",
        obtained="comes with scikit-learn",
        train=1_797,
        channels=1,
        side=8,
        classes=10,
        disk=200_000,
    ),
    "fashion_mnist": Dataset(
        title="Fashion-MNIST",
        source="dhel_kcl.data.sources.fashion_mnist:fetch",
        obtained="downloaded, or from a mirror, or from a folder of its IDX files",
        train=60_000,
        test=10_000,
        channels=1,
        side=28,
        classes=10,
        disk=150_000_000,
    ),
    "cifar10": Dataset(
        title="CIFAR-10",
        source="dhel_kcl.data.sources.cifar:fetch_cifar10",
        obtained="downloaded, or from a mirror",
        train=50_000,
        test=10_000,
        channels=3,
        side=32,
        classes=10,
        disk=600_000_000,
    ),
    "cifar100": Dataset(
        title="CIFAR-100",
        source="dhel_kcl.data.sources.cifar:fetch_cifar100",
        obtained="downloaded, or from a mirror",
        train=50_000,
        test=10_000,
        channels=3,
        side=32,
        classes=100,
        disk=600_000_000,
    ),
    "stl10": Dataset(
        title="STL-10",
        source="dhel_kcl.data.sources.stl10:fetch",
        obtained="downloaded, or from a mirror; 7 GB of memory while it is prepared",
        train=5_000,
        test=8_000,
        unlabeled=100_000,
        channels=3,
        side=96,
        classes=10,
        disk=9_000_000_000,
    ),
    "imagenet100": Dataset(
        title="ImageNet-100",
        source="dhel_kcl.data.sources.imagenet100:fetch",
        obtained="from the folder of ImageNet that DHEL_KCL_IMAGENET names",
        train=126_689,  # of the classes of Contrastive Multiview Coding; other lists differ by a few thousand
        test=5_000,
        channels=3,
        side=256,
        classes=100,
        disk=14_000_000_000,
        streamed=True,
        approximate=True,
    ),
}


def of_folder(name: str, folder: Path, size: int, streamed: bool | None = None) -> Dataset:
    """Entry of the data set `name`, a folder of one's own images. Its images are counted if the folder is there.

    Args:
        size: height and width of the images that networks see.
        streamed: as `Dataset.streamed`; None decides by the size.

    Raises ValueError naming what in the folder does not fit.
    """
    found = listing(folder) if folder.is_dir() else None
    counts = {part: found.count(part) if found else 0 for part in ("train", "test", "unlabeled", "validation")}
    streamed = size > LARGEST_IN_MEMORY if streamed is None else streamed
    kept = sum(image.path.stat().st_size for image in found.images) if found and streamed else 0
    return Dataset(
        title=name,
        source=OWN,
        obtained=f"from {folder}",
        channels=3,
        side=size,
        classes=len(found.classes) if found else 0,
        disk=kept if streamed else 3 * size**2 * sum(counts.values()),
        streamed=streamed,
        approximate=True,
        **counts,
    )


def split_sizes(
    name: str, *, train: int | None, validation: int, test: int, dataset: Dataset | None = None
) -> dict[str, int]:
    """Number of images by subset, as `split.draw` will take them: pretrain, train, validation, test.

    Args:
        name: of the data set.
        train: images to train with, or None for all that are left.
        validation, test: numbers of images.
        dataset: its entry; default: the catalogue's.

    Raises ValueError if the split asks for more images than the data set has, or if it is one's own and not there to be
    counted.
    """
    dataset = dataset or CATALOGUE[name]
    if not dataset.train:
        raise ValueError(f"{name}: its images, {dataset.obtained}, cannot be counted: there is no such folder here")
    left = dataset.train
    for part, asked, official in (("test", test, dataset.test), ("validation", validation, dataset.validation)):
        if official and asked > official:
            raise ValueError(f"{name}: the split asks for {asked} {part} images of {official}")
        left -= 0 if official else asked
    if left < (train or 1):
        drawn = [part for part in ("validation", "test") if not getattr(dataset, part)]
        what = f"training{', ' if len(drawn) == 2 else ' and ' if drawn else ''}{' and '.join(drawn)}"
        raise ValueError(f"{name}: the split asks for more {what} images than the {dataset.train} that there are")
    train = left if train is None else train
    return {"pretrain": train + dataset.unlabeled, "train": train, "validation": validation, "test": test}
