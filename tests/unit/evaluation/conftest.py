import json

import pytest
import torch

from dhel_kcl.training.networks import build_encoder, build_projector, write_weights

SUBSETS = {"train": slice(0, 100), "validation": slice(100, 150), "test": slice(150, 200)}


@pytest.fixture
def points():
    """Unit vectors of four classes that overlap (200, 12), and their labels (200,)."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 4, (200,), generator=generator)
    features = torch.randn(4, 12, generator=generator)[labels] + torch.randn(200, 12, generator=generator)
    return torch.nn.functional.normalize(features), labels


@pytest.fixture
def subsets(points):
    """The same by subset: ({subset: features}, {subset: labels})."""
    return tuple({name: values[rows] for name, rows in SUBSETS.items()} for values in points)


@pytest.fixture
def run_folder(pretrain_spec, tmp_path):
    """Run folder of a network for images of one channel, as pretraining without any step would leave it."""
    folder = tmp_path / "run"
    torch.manual_seed(0)
    encoder = build_encoder(pretrain_spec["backbone"], 1)
    write_weights(folder / "encoder.safetensors", encoder)
    projector = build_projector(encoder.features, pretrain_spec["projector_dim"])
    write_weights(folder / "projector.safetensors", projector)
    (folder / "spec.json").write_text(json.dumps(pretrain_spec))
    return folder
