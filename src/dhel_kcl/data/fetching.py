"""Brings a data set to its prepared form, and holds that against what the catalogue says."""

from collections.abc import Callable
from pathlib import Path

from dhel_kcl import registry
from dhel_kcl.data.catalogue import CATALOGUE, OWN, Dataset, of_folder
from dhel_kcl.data.prepared import PARTS, Prepared, read
from dhel_kcl.files import require_space


def source_of(name: str) -> Callable[[Path], None]:
    """Function that prepares the data set `name` in a folder. Raises ValueError naming the known data sets."""
    if name not in CATALOGUE:
        raise ValueError(f"unknown data set {name!r}; known: {', '.join(CATALOGUE)}")
    source: Callable[[Path], None] = registry.load(CATALOGUE[name].source)
    return source


def fetch(name: str, folder: Path) -> Prepared:
    """Prepare the data set `name` in `folder`, unless the disk is too small, and check what is there.

    Raises ValueError or OSError naming what is at fault: the data set, a file, an address, the disk, the catalogue.
    """
    source = source_of(name)
    if not CATALOGUE[name].approximate:
        require_space(folder, CATALOGUE[name].disk)
    source(folder)
    data = read(folder, verify=True)
    check(name, data, CATALOGUE[name])
    return data


def fetch_own(name: str, folder: Path, images: Path, size: int, streamed: bool | None = None) -> Prepared:
    """Prepare one's own images, in the folder `images`, as the data set `name`. Arguments as of `catalogue.of_folder`.

    Raises ValueError or OSError as `fetch` does, also for the name of a public data set.
    """
    if name in CATALOGUE:
        raise ValueError(f"{name} is the name of a public data set; give your own images another")
    if not images.is_dir():
        raise ValueError(f"{images} is no folder: correct the path to the images of {name}")
    dataset = of_folder(name, images, size, streamed)
    require_space(folder, dataset.disk)
    registry.load(OWN)(folder, name, images, size, dataset.streamed)
    data = read(folder, verify=True)
    check(name, data, dataset)
    return data


def check(name: str, data: Prepared, dataset: Dataset) -> None:
    """Raise ValueError unless a prepared data set is what its entry says: plans and configs rely on it."""
    stated: dict[str, int | bool | str] = {"streamed": dataset.streamed, "channels": dataset.channels, "name": name}
    found: dict[str, int | bool | str] = {"streamed": data.encoded, "channels": data.channels}
    found["name"] = data.manifest.description.name
    if not dataset.approximate:
        stated |= {"classes": dataset.classes} | {part: getattr(dataset, part) for part in PARTS}
        found |= {"classes": data.classes} | {part: int((data.part == code).sum()) for part, code in PARTS.items()}
    if not dataset.approximate and not data.encoded:
        stated["side"], found["side"] = dataset.side, data.manifest.images[2]
    differences = [f"{key} {found[key]}, not {value}" for key, value in stated.items() if found[key] != value]
    if differences:
        raise ValueError(
            f"{name}: the prepared images have {'; '.join(differences)} as the catalogue states: "
            f"correct the entry in data/catalogue.py, or {dataset.source}"
        )
