import pytest
import torch

from dhel_kcl.data import prepared, split
from dhel_kcl.training.checkpoint import Store
from dhel_kcl.training.device import Group, Place
from dhel_kcl.training.spec import PretrainSpec
from dhel_kcl.training.trainer import Pretraining


@pytest.fixture
def place():
    cpu = torch.device("cpu")
    return Place(cpu, "fp32", Group(cpu, 1))


@pytest.fixture
def build(digits_folder, split_file, place):
    """Function that builds the run of a spec."""

    def built(content):
        return Pretraining.build(PretrainSpec.of(content), prepared.read(digits_folder), split.read(split_file), place)

    return built


@pytest.fixture
def train(build, tmp_path):
    """Function that trains the run of a spec to its end, with a checkpoint of its own."""
    stores = (Store(tmp_path / f"{number}.pt", "same") for number in range(100))

    def trained(content):
        run = build(content)
        assert run.run(next(stores))
        return run

    return trained
