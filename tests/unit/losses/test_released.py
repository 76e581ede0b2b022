"""Where the authors' released code and this package differ, and by how much: docs/losses.md quotes these numbers.

The released formulas are written out per anchor, in the arithmetic and with the constants of the release.
"""

import math
from itertools import combinations

import numpy as np
import pytest
import torch
from scipy.stats import entropy, wasserstein_distance

from dhel_kcl.geometry import metrics, sphere
from dhel_kcl.losses.dhel_loss import DHELLoss, dhel
from dhel_kcl.losses.kcl_loss import KCLLoss


def released_dhel(u, v, tau, include_augs=True):
    """Exponentials, then the logarithm of their quotient; all in the type of u and v."""
    tau = u.dtype.type(tau)
    total = 0.0
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        for i in range(len(u)):
            others = np.arange(len(u)) != i
            denominator = np.exp(u[others] @ u[i] / tau).sum(dtype=u.dtype)
            if include_augs:
                denominator *= np.exp(v[others] @ v[i] / tau).sum(dtype=v.dtype)
            total -= float(np.log(np.exp(u[i] @ v[i] / tau) / denominator))
    return total / len(u)


def released_kcl(u, v, kernel, t=2.0, gamma=16.0):
    """One parameter t for all kernels: the scale, c, or the exponent s, negative for a bounded Riesz kernel."""
    energy = {
        "gaussian": lambda r: math.exp(-t * r * r),
        "log": lambda r: -0.5 * math.log(t * r * r + 1),
        "imq": lambda r: t / math.sqrt(t * t + r * r),
        "riesz": lambda r: -(r**-t) if t < 0 else (r**-t if r else math.inf),
    }
    energy["gaussian_riesz"] = energy["riesz"]
    alignment = energy | {
        "log": lambda r: -math.log(t * r * r + 1),
        "gaussian_riesz": lambda r: math.exp(-2 * r * r),
    }
    aligned = [alignment[kernel](math.dist(x, y)) for x, y in zip(u, v, strict=True)]
    energies = [[energy[kernel](math.dist(x, y)) for x, y in combinations(z, 2)] for z in (u, v)]
    return -2 * np.mean(aligned) + gamma * (np.mean(energies[0]) + np.mean(energies[1]))


def views(count=7, dim=4, seed=0):
    u = sphere.uniform(count, dim, seed)
    return u, metrics.unit(u + 0.4 * sphere.uniform(count, dim, seed + 1))


@pytest.mark.parametrize("tau", [0.05, 0.3, 1.0])
def test_dhel_is_the_sum_form_by_default_and_the_anchor_form_without_augmentations(tau):
    u, v = views()
    z0, z1 = torch.from_numpy(u), torch.from_numpy(v)
    assert DHELLoss(tau)(z0, z1).item() == pytest.approx(released_dhel(u, v, tau), rel=1e-11)
    assert DHELLoss(tau, "anchor")(z0, z1).item() == pytest.approx(released_dhel(u, v, tau, False), rel=1e-11)
    assert DHELLoss(tau, "mean")(z0, z1).item() != pytest.approx(released_dhel(u, v, tau), rel=0.1)


@pytest.mark.parametrize(
    ("kernel", "t", "ours"),
    [
        ("gaussian", 2.0, KCLLoss("gaussian", t=2.0)),
        ("log", 2.0, KCLLoss("log", t=2.0, released_alignment=True)),
        ("imq", 2.0, KCLLoss("imq", c=2.0)),
        ("riesz", -1.0, KCLLoss("riesz", q=1.0)),
        ("riesz", -0.5, KCLLoss("riesz", q=0.5)),
        ("gaussian_riesz", 2.0, KCLLoss("gaussian_riesz", s=2.0)),
    ],
)
def test_kcl(kernel, t, ours):
    u, v = views()
    assert ours(torch.from_numpy(u), torch.from_numpy(v)).item() == pytest.approx(
        released_kcl(u, v, kernel, t), rel=1e-11
    )


def test_the_log_alignment_kernel_is_twice_the_energy_kernel():
    u, v = views()
    ours = KCLLoss("log", t=2.0)(torch.from_numpy(u), torch.from_numpy(v)).item()
    difference = np.mean(np.log(1 + 2 * np.square(u - v).sum(axis=1)))
    assert released_kcl(u, v, "log") - ours == pytest.approx(difference, rel=1e-11)
    assert released_kcl(u, u, "log") == pytest.approx(KCLLoss("log")(*2 * [torch.from_numpy(u)]).item(), rel=1e-11)


def test_riesz_diverges_at_alignment_with_the_default_exponent():
    u, _ = views()
    assert released_kcl(u, u, "riesz") == -math.inf
    with pytest.raises(ValueError, match="gaussian_riesz"):
        KCLLoss("riesz", q=-2.0)


@pytest.mark.parametrize("q", [0.3, 0.9])
def test_riesz_gradient_is_nan_at_alignment_below_exponent_1(q):
    x = torch.from_numpy(views()[0]).requires_grad_()
    (x - x.detach()).norm(dim=1).pow(q).mean().backward()
    assert x.grad.isnan().all()
    x.grad = None
    KCLLoss("riesz", q=q)(x, x.detach()).backward()
    assert x.grad.isfinite().all()


def in_float32(z):
    return z.astype(np.float32)


def test_dhel_overflows_in_float32_for_equal_anchors_below_temperature_0_0258():
    """(255 exp(1 / tau))^2 against 3.4e38."""
    z = in_float32(np.tile(sphere.uniform(1, 128, 0), (256, 1)))
    assert released_dhel(z, z, 0.0257) == math.inf
    assert math.isfinite(released_dhel(z, z, 0.0259))
    ours = dhel(torch.from_numpy(z), torch.from_numpy(z), 0.0257).item()
    assert ours == pytest.approx(1 / 0.0257 + 2 * math.log(255), rel=1e-5)


def test_dhel_overflows_in_float32_for_aligned_uniform_anchors_below_temperature_0_0113():
    """exp(1 / tau) against 3.4e38."""
    z = in_float32(sphere.uniform(256, 128, 0))
    assert released_dhel(z, z, 0.0112) == -math.inf
    assert math.isfinite(released_dhel(z, z, 0.0114))
    assert math.isfinite(dhel(torch.from_numpy(z), torch.from_numpy(z), 0.0112))


@pytest.mark.parametrize("tau", [0.1, 0.3, 0.5])
def test_dhel_overflows_in_float16_for_uniform_anchors(tau):
    """The product of two sums of 255 terms near 1 is beyond 65,504."""
    z = sphere.uniform(256, 128, 0).astype(np.float16)
    assert released_dhel(z, z, tau) == math.inf
    exact = released_dhel(z.astype(np.float64), z.astype(np.float64), tau)
    ours = dhel(torch.from_numpy(z), torch.from_numpy(z), tau)
    assert ours.item() == pytest.approx(exact, abs=1e-5 * max(1 / tau, abs(exact)))


def released_wasserstein(z, seed):
    """Against 10,000 samples of the law for dimension 128; the seed is this test's, the release has none."""
    return wasserstein_distance(metrics.similarities(z), sphere.dot_product_sample(10_000, 128, seed))


def test_sampled_wasserstein_has_a_floor_and_a_spread():
    """1,000 uniform points of S^127: 0.00018 exactly, 0.0011 +- 0.0004 against samples. Takes 1 to 3 s."""
    z = sphere.uniform(1000, 128, seed=0)
    values = [released_wasserstein(z, seed) for seed in range(20)]
    assert metrics.wasserstein_uniformity(z) == pytest.approx(0.00018, abs=5e-6)
    assert np.mean(values) == pytest.approx(0.0011, abs=1e-4)
    assert np.std(values, ddof=1) == pytest.approx(0.0004, abs=1e-4)
    values = [released_wasserstein(sphere.cross_polytope(128), seed) for seed in range(20)]
    assert np.mean(values) == pytest.approx(metrics.wasserstein_uniformity(sphere.cross_polytope(128)), abs=4e-4)


@pytest.mark.parametrize(("dim", "distance"), [(32, 0.0715), (64, 0.0295), (256, 0.0207), (512, 0.0354)])
def test_the_law_of_dimension_128_does_not_fit_others(dim, distance):
    """Uniform points of another sphere are as far from it as the laws are from each other."""
    z = sphere.uniform(500, dim, seed=0)
    assert released_wasserstein(z, seed=0) == pytest.approx(distance, abs=2e-3)
    levels = (np.arange(100_000) + 0.5) / 100_000
    laws = np.abs(sphere.dot_product_quantile(levels, dim) - sphere.dot_product_quantile(levels, 128)).mean()
    assert laws == pytest.approx(distance, abs=6e-5)
    assert metrics.wasserstein_uniformity(z) < 6e-4


def released_effective_rank(z, eps=1e-7):
    sigma = np.linalg.svd(z, compute_uv=False)
    total = sigma.sum()
    scale = 10 if total < eps else 0.1 if total > 1000 else 1
    return math.exp(entropy(scale * sigma / total + eps))


@pytest.mark.parametrize(
    ("z", "difference"),
    [
        (np.tile(np.eye(128)[0], (200, 1)), 2.2e-4),
        (sphere.cross_polytope(128), 0.0),
        (sphere.uniform(1000, 8, 0) @ np.eye(8, 128), 1.5e-3),
        (sphere.uniform(9000, 128, 0), 0.0),
    ],
    ids=["collapsed", "cross-polytope", "8 of 128 dimensions", "9000 points"],
)
def test_effective_rank_adds_an_epsilon_to_every_share(z, difference):
    assert released_effective_rank(z) - metrics.effective_rank(z) == pytest.approx(difference, abs=1e-4)


def test_rank_has_an_absolute_tolerance():
    """Directions that decay from 1 to 0.001: 86 eigenvalues are above 1e-5, 108 above 1e-5 of the largest."""
    z = metrics.unit(np.random.default_rng(0).standard_normal((2000, 128)) * np.logspace(0, -3, 128))
    released = np.linalg.matrix_rank(np.cov(z.T), tol=1e-5)
    assert (released, metrics.covariance_rank(z)) == (86, 108)
    assert metrics.covariance_rank(z, rtol=0, atol=1e-5) == released
    assert np.linalg.matrix_rank(np.cov(0.1 * z.T), tol=1e-5) < released


def test_alignment_and_uniformity_are_the_same():
    u, v = views(20, 8)
    z0, z1 = torch.from_numpy(u), torch.from_numpy(v)
    assert metrics.alignment(u, v) == pytest.approx((z0 - z1).norm(dim=1).pow(2).mean().item(), rel=1e-12)
    assert metrics.uniformity(u) == pytest.approx(torch.pdist(z0).pow(2).mul(-2).exp().mean().log().item(), rel=1e-12)
