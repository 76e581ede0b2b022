import re
from dataclasses import replace

import numpy as np
import pytest

from dhel_kcl import registry
from dhel_kcl.data import prepared, split
from dhel_kcl.data.catalogue import CATALOGUE, split_sizes
from tests.pipeline import ROOT


@pytest.mark.parametrize("name", CATALOGUE)
def test_sizes_are_those_of_the_documentation(name):
    dataset = CATALOGUE[name]
    (row,) = [line for line in (ROOT / "docs/datasets.md").read_text().splitlines() if line.startswith(f"| `{name}` ")]
    kind, images, disk = (cell.strip() for cell in row.split("|")[2:5])
    colour = "grey" if dataset.channels == 1 else "colour"
    assert kind.startswith("handwritten digits" if name == "digits" else dataset.title)
    assert colour in kind
    assert re.search(rf"\b{dataset.classes} (\(fine\) )?classes", kind)
    if not dataset.approximate:
        assert f"{dataset.side}×{dataset.side}" in kind
        counts = {part: getattr(dataset, part) for part in prepared.PARTS}
        stated = {
            part: int(count.replace(",", "")) for count, part in re.findall(r"([\d,]+) (train|test|unlab\w+)", images)
        }
        assert stated == ({part: count for part, count in counts.items() if count} if dataset.test else {})
        assert f"{dataset.train:,}" in images
        gigabytes, megabytes = f"{dataset.disk / 1e9:g} GB", f"{dataset.disk / 1e6:g} MB"
        assert disk.split(",")[0] in (gigabytes, megabytes)


def test_what_gives_the_images_is_in_the_registry():
    assert {dataset.images for dataset in CATALOGUE.values()} == registry.SOURCES.keys()


@pytest.mark.parametrize("name", ["digits", "cifar10", "stl10"])
@pytest.mark.parametrize("train", [None, 120])
def test_split_sizes_are_those_of_the_split(name, train, monkeypatch):
    dataset = CATALOGUE[name]
    dataset = replace(dataset, train=400, test=dataset.test and 100, unlabeled=dataset.unlabeled and 50)
    monkeypatch.setitem(CATALOGUE, name, dataset)
    counts = {"train": dataset.train, "test": dataset.test, "unlabeled": dataset.unlabeled}
    part = np.repeat([prepared.PARTS[key] for key in counts], list(counts.values()))
    labels = np.where(part == prepared.PARTS["unlabeled"], -1, np.arange(len(part)) % 10)
    drawn = split.draw(labels, part, train, validation=40, test=60, seed=0)
    counted = split_sizes(name, train=train, validation=40, test=60)
    assert counted == {subset: len(index) for subset, index in drawn.items()}


@pytest.mark.parametrize(
    ("name", "split", "message"),
    [
        (
            "digits",
            (1700, 100, 100),
            "digits: the split asks for more training, validation and test images than the 1797",
        ),
        ("digits", (None, 100, 1697), "digits: the split asks for more training, validation and test images than the"),
        ("stl10", (4000, 1001, 10), "stl10: the split asks for more training and validation images than the 5000 that"),
        ("stl10", (None, 10, 8001), "stl10: the split asks for 8001 test images of 8000"),
    ],
)
def test_a_split_of_more_images_than_there_are_is_named(name, split, message):
    train, validation, test = split
    with pytest.raises(ValueError, match=message):
        split_sizes(name, train=train, validation=validation, test=test)
    if train is not None:
        split_sizes(name, train=train - 103, validation=validation, test=test)
