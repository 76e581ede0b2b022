"""The losses against plain loops, lightly, the identities of the paper and their known minima."""

import math
from functools import partial
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from lightly.loss import DCLLoss as LightlyDCLLoss
from lightly.loss import NTXentLoss
from scipy.optimize import minimize
from scipy.spatial.distance import pdist
from scipy.special import hyp0f1, logsumexp
from torch.nn.functional import normalize

from dhel_kcl import losses
from dhel_kcl.geometry import sphere
from dhel_kcl.kernels.base import Kernel
from dhel_kcl.kernels.gaussian import GaussianKernel
from dhel_kcl.losses.base import ContrastiveLoss
from dhel_kcl.losses.dcl_loss import DCLLoss, dcl
from dhel_kcl.losses.dhel_loss import DHELLoss, dhel
from dhel_kcl.losses.infonce_loss import InfoNCELoss, infonce
from dhel_kcl.losses.kcl_loss import KCLLoss, kcl
from dhel_kcl.losses.simclr_loss import SimCLRLoss, simclr
from dhel_kcl.registry import KERNELS, LOSSES, resolve

GAMMA = 16.0
SIZES = [(2, 2), (3, 2), (5, 4), (8, 3), (6, 16)]
TEMPERATURES = (0.01, 0.02, 0.05, 0.1, 0.3, 0.5, 1.0, 2.0)
PROPERTY = settings(max_examples=40, deadline=None, derandomize=True, database=None)


def dot(x, y):
    return math.fsum(a * b for a, b in zip(x, y, strict=True))


def squared_distance(x, y):
    return math.fsum((a - b) ** 2 for a, b in zip(x, y, strict=True))


def infonce_anchor(u, v, i, tau, w):
    positive = dot(u[i], v[i]) / tau
    if w == 1:
        return -positive + math.log(sum(math.exp(dot(u[i], v[j]) / tau) for j in range(len(u))))
    negatives = sum(math.exp(dot(u[i], v[j]) / tau) for j in range(len(u)) if j != i)
    return math.log1p(math.exp(-positive + w * math.log(negatives)))


def simclr_anchor(u, v, i, tau, w):
    positive = dot(u[i], v[i]) / tau
    within = sum(math.exp(dot(u[i], u[j]) / tau) for j in range(len(u)) if j != i)
    if w == 1:
        return -positive + math.log(sum(math.exp(dot(u[i], v[j]) / tau) for j in range(len(u))) + within)
    cross = sum(math.exp(dot(u[i], v[j]) / tau) for j in range(len(u)) if j != i)
    return math.log1p(math.exp(-positive + w * math.log(cross + within)))


def dcl_anchor(u, v, i, tau, w):
    total = 0.0
    for j in range(len(u)):
        if j != i:
            total += math.exp(dot(u[i], v[j]) / tau) + math.exp(dot(u[i], u[j]) / tau)
    return -dot(u[i], v[i]) / tau + w * math.log(total)


def energy_anchor(z, i, tau):
    return math.log(sum(math.exp(dot(z[i], z[j]) / tau) for j in range(len(z)) if j != i))


def dhel_anchor(u, v, i, tau, w):
    return -dot(u[i], v[i]) / tau + w * energy_anchor(u, i, tau)


def dhel_sum_anchor(u, v, i, tau, w):
    return -dot(u[i], v[i]) / tau + w * (energy_anchor(u, i, tau) + energy_anchor(v, i, tau))


def one_sided(anchor, u, v, tau, w):
    return math.fsum(anchor(u, v, i, tau, w) for i in range(len(u))) / len(u)


def symmetric(anchor, u, v, tau, w):
    return (one_sided(anchor, u, v, tau, w) + one_sided(anchor, v, u, tau, w)) / 2


def kcl_loops(u, v, alignment, energy):
    aligned = math.fsum(alignment(squared_distance(x, y)) for x, y in zip(u, v, strict=True)) / len(u)
    pairs = list(combinations(range(len(u)), 2))
    energy_u = math.fsum(energy(squared_distance(u[i], u[j])) for i, j in pairs) / len(pairs)
    energy_v = math.fsum(energy(squared_distance(v[i], v[j])) for i, j in pairs) / len(pairs)
    return -2 * aligned + GAMMA * (energy_u + energy_v)


# Module, its options, and the loops that it must agree with.
TEMPERED = {
    "infonce": (InfoNCELoss, {}, partial(symmetric, infonce_anchor)),
    "simclr": (SimCLRLoss, {}, partial(symmetric, simclr_anchor)),
    "dcl": (DCLLoss, {}, partial(symmetric, dcl_anchor)),
    "dhel-anchor": (DHELLoss, {"form": "anchor"}, partial(one_sided, dhel_anchor)),
    "dhel-mean": (DHELLoss, {"form": "mean"}, partial(symmetric, dhel_anchor)),
    "dhel-sum": (DHELLoss, {"form": "sum"}, partial(one_sided, dhel_sum_anchor)),
}
# Kernel, its parameters, K_A(r^2) and K_U(r^2).
KERNELED = {
    "gaussian": ("gaussian", {}, lambda r2: np.exp(-2 * r2), lambda r2: np.exp(-2 * r2)),
    "gaussian-t=.5": ("gaussian", {"t": 0.5}, lambda r2: np.exp(-r2 / 2), lambda r2: np.exp(-r2 / 2)),
    "log": ("log", {}, lambda r2: -np.log(1 + 2 * r2) / 2, lambda r2: -np.log(1 + 2 * r2) / 2),
    "log-released": (
        "log",
        {"t": 4.0, "released_alignment": True},
        lambda r2: -np.log(1 + 4 * r2),
        lambda r2: -np.log(1 + 4 * r2) / 2,
    ),
    "imq": ("imq", {}, lambda r2: 2 / np.sqrt(4 + r2), lambda r2: 2 / np.sqrt(4 + r2)),
    "riesz": ("riesz", {}, lambda r2: -np.sqrt(r2), lambda r2: -np.sqrt(r2)),
    "riesz-q=.5": ("riesz", {"q": 0.5}, lambda r2: -(r2**0.25), lambda r2: -(r2**0.25)),
    "riesz-q=1.5": ("riesz", {"q": 1.5}, lambda r2: -(r2**0.75), lambda r2: -(r2**0.75)),
    "gaussian_riesz": ("gaussian_riesz", {}, lambda r2: np.exp(-2 * r2), lambda r2: 1 / r2),
    "gaussian_riesz-s=1": ("gaussian_riesz", {"s": 1.0}, lambda r2: np.exp(-2 * r2), lambda r2: r2**-0.5),
}
CASES = [*TEMPERED, *KERNELED]
FINITE = [case for case in CASES if not case.startswith("gaussian_riesz")]
SYMMETRIC = [case for case in FINITE if case != "dhel-anchor"]


def build(case, tau=0.5, w=1.0):
    if case in TEMPERED:
        module, options, _ = TEMPERED[case]
        return module(temperature=tau, energy_weight=w, **options)
    kernel, parameters, _, _ = KERNELED[case]
    return KCLLoss(kernel, gamma=GAMMA, **parameters)


def reference(case, u, v, tau=0.5, w=1.0):
    u, v = u.double().tolist(), v.double().tolist()
    if case in TEMPERED:
        return TEMPERED[case][2](u, v, tau, w)
    return kcl_loops(u, v, *KERNELED[case][2:])


def noise(shape, seed, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def two_views(count, dim, seed=0, spread=0.5):
    """Unit vectors u, and v near them."""
    u = normalize(noise((count, dim), seed), dim=1)
    return u, normalize(u + spread * noise((count, dim), seed + 1), dim=1)


def points(kind, count, dim):
    """Two views, some of them where a distance or a similarity is extreme."""
    u, v = two_views(count, dim)
    x = u[: count // 2]
    return {
        "random": (u, v),
        "aligned": (u, u.clone()),
        "nearly aligned": two_views(count, dim, spread=1e-4),
        "coincident": (u[:1].repeat(count, 1), u[:1].repeat(count, 1)),
        "coincident, views opposed": (u[:1].repeat(count, 1), -u[:1].repeat(count, 1)),
        "views opposed": (u, -u),
        "antipodal pairs": (torch.cat([x, -x]), torch.cat([x, -x])),
    }[kind]


KINDS = [
    "random",
    "aligned",
    "nearly aligned",
    "coincident",
    "coincident, views opposed",
    "views opposed",
    "antipodal pairs",
]


@pytest.mark.parametrize(("count", "dim"), SIZES)
@pytest.mark.parametrize("case", CASES)
def test_equals_plain_loops(case, count, dim):
    u, v = two_views(count, dim, seed=10 * count + dim)
    for tau in (0.05, 0.3, 1.0):
        for w in (1.0, 0.5, 2.0) if case in TEMPERED else (1.0,):
            value = build(case, tau, w)(u, v)
            assert value.shape == ()
            assert value.dtype == torch.float64
            assert value.item() == pytest.approx(reference(case, u, v, tau, w), rel=1e-11, abs=1e-11)


@pytest.mark.parametrize("case", CASES)
def test_module_normalises_its_input(case):
    u, v = two_views(6, 4)
    lengths = torch.linspace(0.01, 100, 6, dtype=torch.float64)[:, None]
    assert build(case)(lengths * u, 3 * v).item() == pytest.approx(build(case)(u, v).item(), rel=1e-11)


@pytest.mark.parametrize("scale", [1e-30, 1e-10, 1e10, 1e30])
def test_module_ignores_the_scale_of_float32_embeddings(scale):
    z0, z1 = noise((4, 8), 0, torch.float32), noise((4, 8), 1, torch.float32)
    for case in ("simclr", "dhel-sum", "gaussian"):
        loss = build(case)
        assert loss(scale * z0, scale * z1).item() == pytest.approx(loss(z0, z1).item(), rel=1e-5), case


def test_functions_equal_modules_on_unit_vectors():
    u, v = two_views(5, 4)
    pairs = [
        (infonce(u, v, 0.2, 2.0), InfoNCELoss(0.2, 2.0)),
        (simclr(u, v, 0.2, 2.0), SimCLRLoss(0.2, 2.0)),
        (dcl(u, v, 0.2, 2.0), DCLLoss(0.2, 2.0)),
        (dhel(u, v, 0.2, "mean", 2.0), DHELLoss(0.2, "mean", 2.0)),
        (kcl(u, v, GaussianKernel(t=3.0), gamma=4.0), KCLLoss("gaussian", gamma=4.0, t=3.0)),
    ]
    for value, module in pairs:
        assert value.item() == pytest.approx(module(u, v).item(), rel=1e-12)


def test_released_defaults():
    u, v = two_views(5, 4)
    assert torch.equal(DHELLoss()(u, v), DHELLoss(temperature=0.3, form="sum", energy_weight=1.0)(u, v))
    assert torch.equal(dhel(u, v), dhel(u, v, 0.3, "sum", 1.0))
    assert torch.equal(KCLLoss()(u, v), KCLLoss("gaussian", gamma=16.0, t=2.0)(u, v))
    for kernel, parameter in [("log", "t"), ("imq", "c"), ("gaussian_riesz", "s")]:
        assert torch.equal(KCLLoss(kernel)(u, v), KCLLoss(kernel, gamma=16.0, **{parameter: 2.0})(u, v))


@pytest.mark.parametrize(("count", "dim"), [(2, 3), (7, 5), (32, 16)])
@pytest.mark.parametrize("tau", [0.05, 0.5, 1.0])
@pytest.mark.parametrize(("ours", "lightlys"), [(SimCLRLoss, NTXentLoss), (DCLLoss, LightlyDCLLoss)])
def test_equals_lightly(ours, lightlys, count, dim, tau):
    z0, z1 = noise((count, dim), 1).requires_grad_(), noise((count, dim), 2).requires_grad_()
    value, expected = ours(temperature=tau)(z0, z1), lightlys(temperature=tau)(z0, z1)
    assert value.item() == pytest.approx(expected.item(), rel=1e-11)
    gradients = torch.autograd.grad(value, (z0, z1)), torch.autograd.grad(expected, (z0, z1))
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("case", CASES)
def test_terms(case):
    """Alignment is that of the positives alone; where nothing couples them, loss = alignment + energy."""
    u, v = two_views(6, 4)
    tau, w = 0.2, 2.0
    terms = build(case, tau, w).terms(u, v)
    assert terms.loss.item() == pytest.approx(build(case, tau, w)(u, v).item(), rel=1e-12)
    if case in TEMPERED:
        assert terms.alignment.item() == pytest.approx(-(u * v).sum(1).mean().item() / tau, rel=1e-12)
    if case in ("infonce", "simclr"):
        assert terms.loss > 0
    else:
        assert terms.loss.item() == pytest.approx((terms.alignment + terms.energy).item(), rel=1e-12)


def test_simclr_with_a_large_weight_is_dcl():
    """In float32 the same number, so that the trainings of both cannot be told apart."""
    u, v = normalize(torch.randn(2, 64, 64, generator=torch.Generator().manual_seed(0)), dim=-1)
    assert simclr(u, v, 1.0, 4.0) == dcl(u, v, 1.0, 4.0)
    assert simclr(u, v, 1.0, 1.0) - dcl(u, v, 1.0, 1.0) > 1e-3


@pytest.mark.parametrize("tau", [0.05, 0.5])
def test_simclr_of_an_anchor_is_softplus_of_its_dcl(tau):
    u, v = two_views(7, 4)
    per_anchor = [
        math.log1p(math.exp(dcl_anchor(x, y, i, tau, 1.0)))
        for x, y in [(u.tolist(), v.tolist()), (v.tolist(), u.tolist())]
        for i in range(7)
    ]
    assert simclr(u, v, tau).item() == pytest.approx(math.fsum(per_anchor) / 14, rel=1e-11)


@pytest.mark.parametrize("w", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("tau", [0.05, 0.5])
def test_dcl_minus_dhel_is_log_2_at_alignment(tau, w):
    u, _ = two_views(7, 4)
    for form in ("anchor", "mean"):
        difference = dcl(u, u, tau, w) - dhel(u, u, tau, form, w)
        assert difference.item() == pytest.approx(w * math.log(2), rel=1e-11)


@pytest.mark.parametrize("tau", [0.05, 0.5])
def test_relations_between_the_forms_of_dhel(tau):
    u, v = two_views(7, 4)
    a = (u * v).sum(dim=1).mean().item()
    anchor, mean, total = (dhel(u, v, tau, form).item() for form in ("anchor", "mean", "sum"))
    assert total == pytest.approx(2 * mean + a / tau, rel=1e-11)
    assert total == pytest.approx(dhel(u, v, tau, "mean", energy_weight=2.0).item(), rel=1e-11)
    assert mean == pytest.approx((anchor + dhel(v, u, tau, "anchor").item()) / 2, rel=1e-11)
    assert anchor != pytest.approx(mean, rel=1e-6)


@pytest.mark.parametrize("case", KERNELED)
@pytest.mark.parametrize("size", [2, 3, 5])
def test_kcl_averaged_over_all_sub_batches_is_kcl_of_the_whole(case, size):
    u, v = two_views(6, 4)
    loss = build(case)
    values = [loss(u[list(rows)], v[list(rows)]).item() for rows in combinations(range(6), size)]
    assert np.mean(values) == pytest.approx(loss(u, v).item(), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("case", TEMPERED)
def test_log_sum_exp_losses_depend_on_the_batch_size(case):
    u, v = two_views(6, 4)
    loss = build(case)
    means = [
        np.mean([loss(u[list(rows)], v[list(rows)]).item() for rows in combinations(range(6), size)])
        for size in (2, 3, 4, 5, 6)
    ]
    assert np.all(np.diff(means) > 0.01)


def known_minimum(case, count, dim, tau, w):
    """Closed forms: S of the simplex or the cross-polytope, and the distances of their points."""
    if count <= dim + 1:
        cosines = [-1 / (count - 1)] * (count - 1)
        squares = [2 * count / (count - 1)] * (count - 1)
    else:
        cosines = [0.0] * (count - 2) + [-1.0]
        squares = [2.0] * (count - 2) + [4.0]
    log_s = math.log(sum(math.exp(c / tau) for c in cosines))
    if case == "infonce":
        return math.log1p(math.exp(w * log_s - 1 / tau))
    if case == "simclr":
        return math.log1p(math.exp(w * (math.log(2) + log_s) - 1 / tau))
    if case == "dcl":
        return w * (math.log(2) + log_s) - 1 / tau
    if case in ("dhel-anchor", "dhel-mean"):
        return w * log_s - 1 / tau
    if case == "dhel-sum":
        return 2 * w * log_s - 1 / tau
    alignment, energy = KERNELED[case][2:]
    return -2 * alignment(0.0) + 2 * GAMMA * sum(energy(r2) for r2 in squares) / (count - 1)


def optimal_points(count, dim):
    return torch.from_numpy(sphere.simplex(count, dim) if count <= dim + 1 else sphere.cross_polytope(dim))


@pytest.mark.parametrize(("count", "dim"), [(2, 2), (2, 5), (3, 4), (5, 4), (8, 4), (12, 6), (65, 64), (128, 64)])
@pytest.mark.parametrize("case", CASES)
def test_minimum_is_reached_on_simplex_and_cross_polytope(case, count, dim):
    z = optimal_points(count, dim)
    for tau in (0.1, 0.5, 1.0):
        for w in (1.0, 0.5, 2.0) if case in TEMPERED else (1.0,):
            expected = known_minimum(case, count, dim, tau, w)
            loss = build(case, tau, w)
            assert loss.minimum(count, dim) == pytest.approx(expected, rel=1e-11, abs=1e-12)
            assert loss(z, z.clone()).item() == pytest.approx(expected, rel=1e-11, abs=1e-12)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (DHELLoss(0.5, "mean"), 3.537867),
        (DHELLoss(0.3, "mean"), 2.204141),
        (DHELLoss(0.1, "mean"), -4.462666),
        (SimCLRLoss(0.5), 4.245447),
        (KCLLoss("gaussian", gamma=16.0, t=2.0), -1.416156),
    ],
)
def test_minimum_for_256_points_in_128_dimensions(loss, expected):
    z = torch.from_numpy(sphere.cross_polytope(128))
    assert loss.minimum(256, 128) == pytest.approx(expected, abs=6e-7)
    assert loss(z, z).item() == pytest.approx(expected, abs=6e-7)


@pytest.mark.parametrize("case", CASES)
def test_minimum_is_none_where_unknown(case):
    loss = build(case)
    assert [loss.minimum(count, dim) for count, dim in [(7, 4), (9, 4), (130, 128), (255, 128)]] == [None] * 4


# How many energies a loss adds up, and how often each negative occurs in them when u = v.
ENERGIES_AND_COPIES = {
    "infonce": (1, 1),
    "simclr": (1, 2),
    "dcl": (1, 2),
    "dhel-anchor": (1, 1),
    "dhel-mean": (1, 1),
    "dhel-sum": (2, 1),
}


@pytest.mark.parametrize("count", [16, 64, 256])
@pytest.mark.parametrize("case", CASES)
def test_expected_loss_at_uniform_anchors(case, count):
    """Monte Carlo over aligned batches, within four standard errors; the bias in 1 / M is eight of them at M = 16."""
    dim, w = 16, 1.5
    loss = build(case, 0.5, w)
    batches = torch.from_numpy(sphere.uniform(100 * 256, dim, seed=1)).split(count)
    values = np.array([loss(u, u).item() for u in batches])
    standard_error = values.std() / math.sqrt(len(values))
    assert abs(values.mean() - loss.expected_at_uniform(count, dim)) < 4 * standard_error
    if case in KERNELED:
        assert loss.expected_at_uniform(count, dim) == loss.uniform_limit(dim)


@pytest.mark.parametrize("w", [1.0, 0.5, 2.0])
@pytest.mark.parametrize("case", TEMPERED)
def test_uniform_limit(case, w):
    energies, copies = ENERGIES_AND_COPIES[case]
    for tau in (0.05, 0.3, 1.0):
        loss = build(case, tau, w)
        log_m1 = math.log(hyp0f1(32, 1 / (4 * tau**2)))
        expected = energies * w * (math.log(copies) + log_m1) - 1 / tau
        assert loss.uniform_limit(64) == pytest.approx(expected, rel=1e-12)
        count = 10**60
        growth = energies * w * math.log(count - 1)
        assert loss.expected_at_uniform(count, 64) - growth == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("case", ["infonce", "simclr"])
def test_expected_coupled_loss_needs_the_variance_of_its_argument(case):
    count, dim, tau, repeats = 16, 16, 0.4, 400_000
    copies = ENERGIES_AND_COPIES[case][1]
    c = sphere.dot_product_sample(repeats * (count - 1), dim, seed=2).reshape(repeats, count - 1)
    values = np.log1p(copies * np.exp((c - 1) / tau).sum(axis=1))
    standard_error = values.std() / math.sqrt(repeats)
    assert abs(build(case, tau).expected_at_uniform(count, dim) - values.mean()) < 4 * standard_error
    at_the_mean = np.logaddexp(0, math.log(copies) + sphere.log_energy_of_uniform(count, dim, tau) - 1 / tau)
    assert abs(at_the_mean - values.mean()) > 4 * standard_error


def test_expected_diverging_energy_is_infinite_in_few_dimensions():
    loss = KCLLoss("gaussian_riesz", s=2.0)
    assert loss.uniform_limit(3) == loss.expected_at_uniform(16, 3) == math.inf
    assert math.isfinite(loss.uniform_limit(4))


def test_infonce_has_no_known_minimum_above_weight_2():
    """Collapsed anchors with opposed positives undercut the simplex from w = 2 (M-1) / (M-2) on."""
    u = torch.eye(4, dtype=torch.float64)[:1].repeat(5, 1)
    simplex = optimal_points(5, 4)
    for w, opposed_is_lower in [(1.0, False), (2.0, False), (2.66, False), (2.67, True), (4.0, True)]:
        loss = InfoNCELoss(0.5, w)
        assert (loss(u, -u) < loss(simplex, simplex)).item() == opposed_is_lower
        assert (loss.minimum(5, 4) is None) == (w > 2)
        for other in (SimCLRLoss(0.5, w), DCLLoss(0.5, w), DHELLoss(0.5, "mean", w)):
            assert other(u, -u) > other.minimum(5, 4)


@pytest.mark.parametrize("tau", [0.01, 0.02])
@pytest.mark.parametrize("case", TEMPERED)
def test_minimum_at_small_temperature_is_finite(case, tau):
    for count in (128, 256):
        assert math.isfinite(build(case, tau).minimum(count, 128))


@pytest.mark.parametrize(("count", "dim"), [(5, 4), (8, 4)])
@pytest.mark.parametrize("case", [*TEMPERED, "log", "imq"])
def test_descent_from_a_random_start_reaches_the_minimum(case, count, dim):
    loss = build(case)

    def objective(x):
        z = torch.from_numpy(x).reshape(2, count, dim).requires_grad_()
        value = loss(z[0], z[1])
        (gradient,) = torch.autograd.grad(value, z)
        return value.item(), gradient.numpy().ravel()

    start = torch.stack(two_views(count, dim, seed=3)).numpy().ravel()
    found = minimize(objective, start, jac=True, method="L-BFGS-B", options={"ftol": 1e-15, "gtol": 1e-9})
    assert found.fun == pytest.approx(loss.minimum(count, dim), abs=1e-9)


@pytest.mark.parametrize("case", CASES)
def test_gradcheck(case):
    z0, z1 = noise((4, 3), 4).requires_grad_(), noise((4, 3), 5).requires_grad_()
    assert torch.autograd.gradcheck(build(case), (z0, z1))
    if case in TEMPERED:
        assert torch.autograd.gradcheck(build(case, tau=0.1, w=2.0), (z0, z1))


def assert_finite(loss, z0, z1):
    leaves = z0.float().requires_grad_(), z1.float().requires_grad_()
    value = loss(*leaves)
    assert value.dtype == torch.float32
    assert value.isfinite()
    assert all(gradient.isfinite().all() for gradient in torch.autograd.grad(value, leaves))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", FINITE)
def test_float32_loss_and_gradient_are_finite(case, kind):
    for tau in TEMPERATURES if case in TEMPERED else (1.0,):
        assert_finite(build(case, tau), *points(kind, 8, 4))


@pytest.mark.parametrize("kind", ["aligned", "coincident", "coincident, views opposed"])
@pytest.mark.parametrize("case", FINITE)
def test_float32_loss_and_gradient_of_a_whole_batch_are_finite_at_the_least_temperature(case, kind):
    assert_finite(build(case, tau=0.01), *points(kind, 256, 128))


@pytest.mark.parametrize("kind", ["random", "aligned", "nearly aligned", "views opposed"])
def test_gaussian_riesz_is_finite_while_anchors_differ(kind):
    assert_finite(build("gaussian_riesz"), *points(kind, 8, 4))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", FINITE)
def test_float32_is_as_precise_as_can_be_asked(case, kind):
    u, v = (z.float() for z in points(kind, 8, 16 if case in TEMPERED else 128))
    for tau in TEMPERATURES if case in TEMPERED else (1.0,):
        single = build(case, tau).terms(u, v).loss.item()
        double = reference(case, u, v, tau)
        assert abs(single - double) <= 1e-5 * max(1, 1 / tau, abs(double)), tau


def vectorised(case, u, v, tau):
    """The loss in float64 with SciPy's log-sum-exp and pairwise distances, for batches too large for loops."""
    u, v = u.double().numpy(), v.double().numpy()
    if case in KERNELED:
        alignment, energy = KERNELED[case][2:]
        energies = [energy(pdist(z, "sqeuclidean")).mean() for z in (u, v)]
        return -2 * alignment(np.square(u - v).sum(axis=1)).mean() + GAMMA * sum(energies)

    def log_sum(x, y):
        similarities = x @ y.T / tau
        np.fill_diagonal(similarities, -np.inf)
        return logsumexp(similarities, axis=1)

    def one_view(x, y):
        positive = (x * y).sum(axis=1) / tau
        if case == "infonce":
            return np.logaddexp(0, log_sum(x, y) - positive).mean()
        if case in ("dcl", "simclr"):
            decoupled = np.logaddexp(log_sum(x, y), log_sum(x, x)) - positive
            return (decoupled if case == "dcl" else np.logaddexp(0, decoupled)).mean()
        return (log_sum(x, x) - positive).mean()

    if case == "dhel-anchor":
        return one_view(u, v)
    if case == "dhel-sum":
        return one_view(u, v) + one_view(v, u) + (u * v).sum(axis=1).mean() / tau
    return (one_view(u, v) + one_view(v, u)) / 2


@pytest.mark.parametrize("case", CASES)
def test_vectorised_reference_equals_the_loops(case):
    u, v = two_views(7, 4)
    for tau in (0.05, 0.5):
        assert vectorised(case, u, v, tau) == pytest.approx(reference(case, u, v, tau), rel=1e-11)


def assert_precise(case, u, v, tau):
    leaves = u.float().requires_grad_(), v.float().requires_grad_()
    value = build(case, tau).terms(*leaves).loss
    double = vectorised(case, *(z.detach() for z in leaves), tau)
    assert abs(value.item() - double) <= 1e-5 * max(1, 1 / tau, abs(double)), tau
    assert all(gradient.isfinite().all() for gradient in torch.autograd.grad(value, leaves))


@pytest.mark.parametrize("kind", ["coincident", "coincident, views opposed", "antipodal pairs", "nearly aligned"])
@pytest.mark.parametrize("case", FINITE)
def test_float32_is_as_precise_for_extreme_points_of_a_large_batch(case, kind):
    u, v = points(kind, 1024, 32)
    for tau in (0.01, 0.1, 2.0) if case in TEMPERED else (1.0,):
        assert_precise(case, u, v, tau)


@pytest.mark.parametrize("kind", ["random", "aligned", "views opposed"])
@pytest.mark.parametrize("count", [2, 256, 1024])
@pytest.mark.parametrize("case", CASES)
def test_float32_is_as_precise_for_large_batches(case, count, kind):
    for tau in (0.01, 0.1, 2.0) if case in TEMPERED else (1.0,):
        assert_precise(case, *points(kind, count, 64), tau)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["simclr", "dhel-sum", "gaussian"])
def test_float32_is_as_precise_for_4096_instances(case):
    """Takes 3 to 7 s a case and up to 2 GB."""
    assert_precise(case, *two_views(4096, 64), tau=0.01)


@pytest.mark.parametrize("case", ["infonce", "simclr"])
def test_small_coupled_losses_keep_their_relative_precision(case):
    z = optimal_points(3, 2).float()
    expected = known_minimum(case, 3, 2, 0.1, 1.0)
    assert expected < 1e-5
    assert build(case, 0.1)(z, z).item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("q", [0.5, 1.0, 1.5])
def test_gradient_of_riesz_is_zero_at_coincident_points(q):
    z0 = noise((1, 16), 6, torch.float32).repeat(5, 1).requires_grad_()
    z1 = z0.detach().clone().requires_grad_()
    for gradient in torch.autograd.grad(KCLLoss("riesz", q=q)(z0, z1), (z0, z1)):
        torch.testing.assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-4)


@pytest.mark.parametrize("case", CASES)
def test_autocast_gives_the_float32_result(case):
    z0, z1 = noise((8, 16), 7, torch.float32).requires_grad_(), noise((8, 16), 8, torch.float32).requires_grad_()
    loss = build(case, tau=0.1)
    expected = loss(z0, z1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(z0, z1)
    assert value.dtype == torch.float32
    assert torch.equal(value, expected)
    for gradient, wanted in zip(
        torch.autograd.grad(value, (z0, z1)), torch.autograd.grad(expected, (z0, z1)), strict=True
    ):
        assert torch.equal(gradient, wanted)


@pytest.mark.parametrize("case", CASES)
def test_autocast_around_the_encoder_leaves_the_loss_in_float32(case):
    """An encoder and a loss inside autocast give what the loss outside it gives of the same bfloat16 embeddings."""
    x = noise((16, 12), 9, torch.float32)
    encoder = torch.nn.Sequential(torch.nn.Linear(12, 32), torch.nn.ReLU(), torch.nn.Linear(32, 16))
    loss = build(case, tau=0.05)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        z0, z1 = encoder(x).chunk(2)
        value = loss(z0, z1)
    assert z0.dtype == torch.bfloat16
    assert value.dtype == torch.float32
    assert torch.equal(value, loss(z0, z1))
    directions = (normalize(z.detach().double(), dim=1) for z in (z0, z1))
    assert value.item() == pytest.approx(vectorised(case, *directions, 0.05), rel=1e-5)
    value.backward()
    for parameter in encoder.parameters():
        assert parameter.grad.dtype == torch.float32
        assert parameter.grad.isfinite().all()
        assert parameter.grad.abs().sum() > 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("case", CASES)
def test_half_precision_embeddings_are_computed_in_float32(case, dtype):
    z0, z1 = noise((8, 16), 7).to(dtype), noise((8, 16), 8).to(dtype)
    value = build(case, tau=0.05)(z0, z1)
    assert value.dtype == torch.float32
    assert torch.equal(value, build(case, tau=0.05)(z0.float(), z1.float()))


FUNCTIONS = {
    "infonce": infonce,
    "simclr": simclr,
    "dcl": dcl,
    "dhel": dhel,
    "kcl": partial(kcl, kernel=GaussianKernel()),
}
MODULES = {name: resolve("loss", name) for name in LOSSES}


@pytest.mark.parametrize("loss", [*FUNCTIONS.values(), *(module() for module in MODULES.values())])
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda u, v: (u[:1], v[:1]), "at least M = 2"),
        (lambda u, v: (u[:0], v[:0]), "at least M = 2"),
        (lambda u, v: (u, v[:3]), "same shape"),
        (lambda u, v: (u, v[:, :3]), "same shape"),
        (lambda u, v: (u[0], v[0]), "same shape"),
        (lambda u, v: (u[None], v[None]), "same shape"),
        (lambda u, v: (u * torch.tensor(math.nan), v), "first view contains NaN"),
        (lambda u, v: (u, v / 0), "second view contains NaN or infinite"),
        (lambda u, v: (u.long() + 1, v.long() + 1), "floating point"),
    ],
)
def test_bad_views_are_refused(loss, spoil, message):
    with pytest.raises(ValueError, match=message):
        loss(*spoil(*two_views(4, 5)))


@pytest.mark.parametrize("module", MODULES.values())
def test_a_zero_vector_is_refused(module):
    u, v = two_views(4, 5)
    v[2] = 0
    with pytest.raises(ValueError, match="row 2 of z1 is the zero vector"):
        module()(u, v)


@pytest.mark.parametrize("value", [0.0, -0.5, math.nan, math.inf])
@pytest.mark.parametrize("parameter", ["temperature", "energy_weight"])
@pytest.mark.parametrize("name", ["infonce", "simclr", "dcl", "dhel"])
def test_temperature_and_energy_weight_are_above_zero(name, parameter, value):
    u, v = two_views(4, 5)
    with pytest.raises(ValueError, match=f"{parameter} must be a finite number above 0"):
        MODULES[name](**{parameter: value})
    with pytest.raises(ValueError, match=f"{parameter} must be a finite number above 0"):
        FUNCTIONS[name](u, v, **{parameter: value})


@pytest.mark.parametrize("gamma", [0.0, -1.0, math.nan, math.inf])
def test_gamma_is_above_zero(gamma):
    with pytest.raises(ValueError, match="gamma must be"):
        KCLLoss(gamma=gamma)
    with pytest.raises(ValueError, match="gamma must be"):
        kcl(*two_views(4, 5), GaussianKernel(), gamma=gamma)


def test_unknown_names_are_refused_and_the_allowed_ones_given():
    with pytest.raises(ValueError, match="unknown DHEL form 'both'; allowed: anchor, mean, sum"):
        DHELLoss(form="both")
    with pytest.raises(ValueError, match="unknown DHEL form 'both'; allowed: anchor, mean, sum"):
        dhel(*two_views(4, 5), form="both")
    with pytest.raises(ValueError, match="unknown kernel 'laplace'; allowed: gaussian, log, imq"):
        KCLLoss(kernel="laplace")
    with pytest.raises(ValueError, match="unknown loss 'triplet'; allowed: infonce, simclr, dcl, dhel, kcl"):
        resolve("loss", "triplet")


def test_every_registered_loss_and_kernel_resolves():
    assert all(issubclass(resolve("loss", name), ContrastiveLoss) for name in LOSSES)
    assert all(issubclass(resolve("kernel", name), Kernel) for name in KERNELS)
    for name in KERNELS:
        assert KCLLoss(kernel=name)(*two_views(4, 5)).isfinite()


def test_package_offers_the_registered_classes_and_their_functions():
    names = ["DCLLoss", "DHELLoss", "InfoNCELoss", "KCLLoss", "SimCLRLoss", "dcl", "dhel", "infonce", "kcl", "simclr"]
    assert dir(losses) == sorted(losses.__all__) == names
    assert (losses.DHELLoss, losses.dhel) == (DHELLoss, dhel)
    everything = {}
    exec("from dhel_kcl.losses import *", everything)
    assert everything.keys() >= set(names)
    with pytest.raises(AttributeError, match="TripletLoss"):
        _ = losses.TripletLoss


@st.composite
def batches(draw, min_count=2):
    """Two views of lattice directions, where coincident, orthogonal and antipodal points are common."""
    count, dim = draw(st.integers(min_count, 6)), draw(st.integers(2, 4))
    z = draw(arrays(np.int64, (2, count, dim), elements=st.integers(-2, 2))).astype(float)
    z[..., 0] += (z == 0).all(axis=-1)
    return torch.from_numpy(z[0]), torch.from_numpy(z[1])


def tolerance(case, tau):
    # A rotation moves r^2 = 0 by 1e-16: r by 1e-8, and sqrt(r) by 1e-4.
    steep = {"riesz": 1e-5, "riesz-q=.5": 1e-2}
    return steep.get(case, 1e-9 * max(1, 1 / tau))


temperatures = st.sampled_from([0.05, 0.3, 1.0])


@PROPERTY
@given(batches(), temperatures, st.sampled_from(FINITE), st.randoms(use_true_random=False))
def test_invariant_to_the_order_of_the_batch(views, tau, case, random):
    u, v = views
    order = random.sample(range(len(u)), len(u))
    loss = build(case, tau)
    assert loss(u[order], v[order]).item() == pytest.approx(loss(u, v).item(), abs=tolerance(case, tau))


@PROPERTY
@given(batches(), temperatures, st.sampled_from(FINITE), st.integers(0, 1000))
def test_invariant_to_rotations_and_reflections(views, tau, case, seed):
    u, v = views
    rotation = torch.linalg.qr(noise((u.shape[1], u.shape[1]), seed)).Q
    loss = build(case, tau)
    assert loss(u @ rotation, v @ rotation).item() == pytest.approx(loss(u, v).item(), abs=tolerance(case, tau))


@PROPERTY
@given(batches(), temperatures, st.sampled_from(SYMMETRIC))
def test_invariant_to_the_roles_of_the_views(views, tau, case):
    u, v = views
    loss = build(case, tau)
    assert loss(v, u).item() == pytest.approx(loss(u, v).item(), abs=tolerance(case, tau))


@PROPERTY
@given(batches(), temperatures)
def test_order_of_the_losses(views, tau):
    dhel_mean, dcl_mean, simclr_mean, infonce_mean = (
        build(case, tau)(*views).item() for case in ("dhel-mean", "dcl", "simclr", "infonce")
    )
    slack = 1e-12 / tau
    assert dhel_mean <= dcl_mean + slack
    assert dcl_mean <= simclr_mean + slack
    assert infonce_mean <= simclr_mean + slack
    assert math.log1p(math.exp(dcl_mean)) <= simclr_mean + slack  # Jensen, softplus of each anchor's DCL


@PROPERTY
@given(batches(), temperatures, st.sampled_from([0.5, 1.0, 2.0, 5.0]), st.sampled_from(CASES))
def test_no_batch_is_below_the_minimum(views, tau, w, case):
    loss = build(case, tau, w)
    minimum = loss.minimum(*views[0].shape)
    assume(minimum is not None)
    assert loss(*views).item() >= minimum - 1e-9
