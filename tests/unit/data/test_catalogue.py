from dataclasses import replace

import numpy as np
import pytest

from dhel_kcl import registry
from dhel_kcl.data import prepared, split
from dhel_kcl.data.catalogue import CATALOGUE, source_of, split_sizes


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_source_can_be_imported(name):
    assert callable(source_of(name))


def test_an_unknown_data_set_is_told_which_there_are():
    with pytest.raises(ValueError, match="unknown data set 'mnist'; known: digits, fashion_mnist, cifar10, cifar100"):
        source_of("mnist")


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
    too_many = {"train": 401, "validation": 40, "test": 60}
    with pytest.raises(ValueError, match=f"{name}: the split asks for more training"):
        split_sizes(name, **too_many)
    if dataset.test:
        with pytest.raises(ValueError, match=f"{name}: the split asks for 101 test images of 100"):
            split_sizes(name, train=None, validation=40, test=101)
