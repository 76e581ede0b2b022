"""The report on one's own embeddings: the metrics' values, from whatever tensors people have."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from dhel_kcl.geometry import metrics, report, sphere
from dhel_kcl.geometry.collapse import COLLAPSED, spread


def views(count=60, dim=8, seed=0):
    z = torch.randn(count, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return z, z + 0.1 * z.roll(1, dims=0)


def test_values_are_those_of_the_metrics():
    z0, z1 = views()
    u, v = metrics.unit(z0), metrics.unit(z1)
    found = report(z0, z1)
    assert (found.embeddings, found.given, found.dim) == (60, 60, 8)
    assert found.alignment == metrics.alignment(u, v)
    for of, z in ((found.z0, u), (found.z1, v), (found.uniform, sphere.uniform(60, 8, 0))):
        assert of.uniformity == metrics.uniformity(z)
        assert of.wasserstein_uniformity == metrics.wasserstein_uniformity(z)
        assert of.effective_rank == metrics.effective_rank(z)
        assert of.effective_rank_centred == metrics.effective_rank(z, centred=True)
        assert of.covariance_rank == metrics.covariance_rank(z)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("grad", [False, True])
def test_any_floating_type_with_or_without_grad(dtype, grad):
    z0, z1 = (z.to(dtype).requires_grad_(grad) for z in views())
    exact = report(*(z.detach().to(torch.float64).numpy() for z in (z0, z1)))
    assert str(report(z0, z1)) == str(exact)
    assert report(2 * z0, z1).alignment == exact.alignment


class Elsewhere:
    """A tensor of a device without float64, as NumPy sees it: it can be read only after `cpu`."""

    def __init__(self, z):
        self.z = z

    def detach(self):
        return self

    def cpu(self):
        return self.z

    def __array__(self, *_, **__):
        raise TypeError("can't convert a tensor of another device to NumPy")


def test_any_device():
    z0, z1 = views()
    assert str(report(Elsewhere(z0), Elsewhere(z1))) == str(report(z0, z1))


def test_collapsed_points_have_the_values_of_the_last_column():
    found = spread(np.tile(sphere.uniform(1, 8, 0), (50, 1)))
    assert found.uniformity == pytest.approx(COLLAPSED.uniformity, abs=1e-12)
    assert found.wasserstein_uniformity == pytest.approx(COLLAPSED.wasserstein_uniformity, abs=1e-12)
    assert found.effective_rank == pytest.approx(COLLAPSED.effective_rank)
    assert (found.effective_rank_centred, found.covariance_rank) == (0, 0)


def test_it_prints_a_table():
    lines = str(report(*views())).splitlines()
    assert lines[0].split("  ")[0] == "60 embeddings, d = 8"
    assert lines[0].split()[-4:] == ["z0", "z1", "uniform", "collapsed"]
    assert len({len(line) for line in lines}) == 1
    assert len(lines) == 7
    assert lines[2].split()[-1] == "0.000"


def test_many_embeddings_are_sampled_and_it_says_so():
    z0, z1 = views(500)
    found = report(z0, z1, points=50)
    assert str(found).startswith("50 embeddings (chosen from 500), d = 8")
    assert found.alignment == pytest.approx(report(z0, z1).alignment, rel=0.2)
    assert str(found) == str(report(z0, z1, points=50))
    assert str(found) != str(report(z0, z1, points=50, seed=1))


def test_the_figure_has_the_spectra_and_the_law():
    figure = report(*views()).plot()
    spectra, similarities = figure.axes
    assert len(spectra.lines) == 3
    heights = similarities.patches[0].get_data().values
    np.testing.assert_allclose(heights.sum() * 2 / len(heights), 1)
    s, law = similarities.lines[0].get_data()
    np.testing.assert_array_equal(law, sphere.dot_product_pdf(s, 8))


def test_matplotlib_is_imported_by_the_figure_alone_and_named_where_it_is_missing():
    code = (
        "import sys, numpy; sys.modules['matplotlib'] = None; from dhel_kcl.geometry import report\n"
        "z = numpy.random.default_rng(0).standard_normal((9, 3)); r = report(z, z); print(r); r.plot()"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "9 embeddings, d = 3" in ran.stdout
    assert "ImportError: plot() needs matplotlib: pip install 'dhel-kcl[pipeline]'" in ran.stderr
    assert "torch" not in ran.stderr


@pytest.mark.parametrize(
    ("z0", "z1", "said"),
    [
        (np.eye(3), np.eye(4), "z0 and z1 need one shape"),
        (np.eye(3), np.eye(3)[0], r"z1: embeddings need the shape \(N, d\)"),
        (np.eye(3)[:1], np.eye(3)[:1], "at least 2 embeddings"),
        (np.ones((3, 1)), np.ones((3, 1)), "at least 2 embeddings, dimensions"),
        (np.eye(3), np.zeros((3, 3)), "z1: embedding 0 is the zero vector"),
        (np.full((3, 3), np.nan), np.eye(3), "z0: embeddings contain NaN"),
    ],
)
def test_bad_input_is_named(z0, z1, said):
    with pytest.raises(ValueError, match=said):
        report(z0, z1)
