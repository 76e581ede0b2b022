from types import SimpleNamespace

import numpy as np
import pytest
import torch

from dhel_kcl.evaluation.embed import FrozenNetwork
from dhel_kcl.evaluation.geometry import evaluate, geometry, negative_variance
from dhel_kcl.geometry import metrics
from dhel_kcl.views.augment import Augment
from dhel_kcl.views.memory import InMemory


def test_geometry_is_that_of_unit_vectors_and_of_their_views():
    generator = torch.Generator().manual_seed(0)
    z, u, v = (5 * torch.randn(30, 8, generator=generator) + 2 for _ in range(3))
    found = geometry(z, (u, v))
    assert found.embeddings == 30
    assert found.dim == 8
    assert found.alignment == pytest.approx(metrics.alignment(metrics.unit(u), metrics.unit(v)))
    points = metrics.unit(z / 7)
    assert found.uniformity == pytest.approx(metrics.uniformity(points))
    assert found.wasserstein_uniformity == pytest.approx(metrics.wasserstein_uniformity(points))
    assert found.effective_rank == pytest.approx(metrics.effective_rank(points))
    assert found.effective_rank_centred == pytest.approx(metrics.effective_rank(points, centred=True))
    assert found.effective_rank_centred > found.effective_rank + 0.1
    assert found.covariance_rank == metrics.covariance_rank(points)


def test_geometry_is_of_plain_test_embeddings_and_alignment_of_their_views():
    generator = torch.Generator().manual_seed(0)
    plain, first, second = ({space: torch.randn(30, 8, generator=generator) for space in "zh"} for _ in range(3))
    spec = SimpleNamespace(training_pairs=0)
    found = evaluate(SimpleNamespace(spec=spec, spaces={"test": plain}, test_views=(first, second)))
    assert found == {space: geometry(plain[space], (first[space], second[space])) for space in "zh"}
    assert found["z"] != found["h"]


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
