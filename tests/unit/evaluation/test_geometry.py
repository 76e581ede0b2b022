from types import SimpleNamespace

import numpy as np
import pytest
import torch

from dhel_kcl.evaluation.embed import FrozenNetwork
from dhel_kcl.evaluation.geometry import geometry, negative_variance
from dhel_kcl.geometry import metrics
from dhel_kcl.views.augment import Augment
from dhel_kcl.views.memory import InMemory


def test_geometry_normalises_and_names_what_it_measured():
    generator = torch.Generator().manual_seed(0)
    z, u, v = (5 * torch.randn(30, 8, generator=generator) for _ in range(3))
    found = geometry(z, (u, v))
    assert found.embeddings == 30
    assert found.dim == 8
    assert found.alignment == pytest.approx(metrics.alignment(metrics.unit(u), metrics.unit(v)))
    assert found.effective_rank == pytest.approx(metrics.effective_rank(metrics.unit(z / 7)))


@pytest.mark.parametrize("pairs", [12, 40])
def test_the_variance_of_negatives_is_of_two_views_of_training_images(run_folder, pairs):
    """Of as many as are asked for, drawn by the seed, whatever their order; of all where there are fewer."""
    images = np.random.default_rng(0).integers(256, size=(30, 1, 8, 8), dtype=np.uint8)
    network, source = FrozenNetwork(run_folder, 1, torch.device("cpu")), InMemory(images, torch.device("cpu"))
    spec = SimpleNamespace(view_seed=3, training_pairs=pairs, augment=Augment(crop_scale=(0.3, 1.0)))
    found = negative_variance(SimpleNamespace(spec=spec, network=network, images={"train": source}))
    rows = torch.randperm(30, generator=torch.Generator().manual_seed(3))[:pairs].sort().values
    u, v = (metrics.unit(view["z"]) for view in network.embed_views(source, rows, spec.augment, 3))
    assert len(u) == min(pairs, 30)
    assert not np.allclose(u, v)
    assert found == pytest.approx((u @ v.T)[~np.eye(len(u), dtype=bool)].var(), rel=1e-9)
