import os
import sys
from dataclasses import asdict

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy: several tests start processes side by side
os.environ["MPLBACKEND"] = "agg"  # before matplotlib: a notebook's would not be found

import pytest
import torch
from hypothesis import settings

from dhel_kcl.data import prepared, split
from dhel_kcl.data.sources import digits
from dhel_kcl.views.augment import Augment
from tests import pretraining

pytest_plugins = ["tests.pipeline"]
torch.set_num_threads(1)
# The same cases in every run of the tests; `make torture` searches at random.
settings.register_profile("same", derandomize=True, database=None, deadline=None)
settings.register_profile("random", derandomize=False, deadline=None)
settings.load_profile("random" if "torture" in sys.argv else "same")

AUGMENT = asdict(Augment(crop_scale=(0.6, 1.0), rotation=15, brightness=0.4, contrast=0.4))
AUGMENT = {name: list(value) if isinstance(value, tuple) else value for name, value in AUGMENT.items()}  # as in JSON


def pytest_collection_modifyitems(items):
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("cuda"):
                item.add_marker(pytest.mark.skip(reason="torch finds no CUDA device"))


@pytest.fixture(scope="session")
def digits_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "digits"
    digits.fetch(folder)
    return folder


@pytest.fixture(scope="session")
def split_file(digits_folder, tmp_path_factory):
    data = prepared.read(digits_folder)
    path = tmp_path_factory.mktemp("split") / "split.npz"
    drawn = split.draw(data.labels, data.part, train=100, validation=40, test=60, seed=0)
    split.write(path, drawn, split.Origin.of(data.manifest))
    return path


@pytest.fixture
def pretrain_spec():
    return {
        "dataset": "digits",
        "images": "memory",
        "loss": {"name": "simclr", "temperature": 0.3},
        "batch_size": 16,
        "backbone": {"name": "compact_resnet", "width": 8, "stages": 2},
        "projector_dim": 16,
        "augment": AUGMENT,
        "training": {
            "epochs": 3,
            "learning_rate": 0.5,
            "reference_batch_size": 256,
            "momentum": 0.9,
            "weight_decay": 1e-6,
            "warmup": 0.1,
        },
        "precision": "fp32",
        "compile": False,
        "device": "cpu",
        "processes": 1,
        "threads": 1,
        "seed": 0,
    }


@pytest.fixture
def evaluation_spec():
    return {
        "dataset": "digits",
        "weight_decay": [1e-4],
        "scaling": ["unit"],
        "neighbours": 5,
        "augmented": None,
        "histogram_bins": 50,
        "view_seed": 0,
        "training_pairs": 30,
        "augment": AUGMENT,
        "precision": "fp32",
        "device": "cpu",
        "threads": 1,
        "images": "memory",
    }


@pytest.fixture
def train(pretrain_spec, digits_folder, split_file, monkeypatch):
    """Function that runs the step `pretrain` in this process; returns its exit status and what it said."""

    def call(folder, *more, content=pretrain_spec):
        return pretraining.here(monkeypatch, pretraining.options(content, digits_folder, split_file, folder, *more))

    return call
