import pytest
import torch

from dhel_kcl.evaluation.geometry import geometry
from dhel_kcl.geometry import metrics


def test_geometry_normalises_and_names_what_it_measured():
    generator = torch.Generator().manual_seed(0)
    z, u, v = (5 * torch.randn(30, 8, generator=generator) for _ in range(3))
    found = geometry(z, (u, v))
    assert found.embeddings == 30
    assert found.dim == 8
    assert found.alignment == pytest.approx(metrics.alignment(metrics.unit(u), metrics.unit(v)))
    assert found.effective_rank == pytest.approx(metrics.effective_rank(metrics.unit(z / 7)))
