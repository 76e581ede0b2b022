"""The metrics against plain loops, numerical integration, and values known for optimal point sets."""

import math
import tracemalloc
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import wasserstein_distance

from dhel_kcl.geometry import metrics, sphere
from dhel_kcl.kernels.gaussian import GaussianKernel

PROPERTY = settings(max_examples=30, deadline=None, derandomize=True, database=None)


def normal(count, dim, seed=0, shift=0.0):
    return np.random.default_rng(seed).standard_normal((count, dim)) + shift


def directions(count, dim, seed=0, shift=0.0):
    """Unit vectors, gathered around (1, ..., 1) by a shift."""
    return metrics.unit(normal(count, dim, seed, shift))


def collapsed(count, dim):
    """One direction at many lengths, as an encoder in total collapse gives it."""
    return metrics.unit(np.outer(np.linspace(0.1, 7, count), normal(1, dim)[0]))


def test_unit_scales_rows():
    z = normal(5, 3)
    expected = [row / math.sqrt(math.fsum(x * x for x in row)) for row in z]
    np.testing.assert_allclose(metrics.unit(z), expected, rtol=1e-14)
    np.testing.assert_allclose(metrics.unit(z.tolist()), expected, rtol=1e-14)
    from_float32 = metrics.unit(torch.from_numpy(z).float())
    assert from_float32.dtype == np.float64
    np.testing.assert_allclose(np.linalg.norm(from_float32, axis=1), 1, rtol=1e-14)


@pytest.mark.parametrize(
    ("z", "message"),
    [
        (np.ones(4), "shape"),
        (np.ones((2, 3, 4)), "shape"),
        (np.ones((0, 4)), "N and d at least 1; got \\(0, 4\\)"),
        (np.ones((4, 0)), "N and d at least 1; got \\(4, 0\\)"),
        (np.array([[1.0, np.nan], [1.0, 2.0]]), "NaN or infinite"),
        (np.array([[1.0, np.inf], [1.0, 2.0]]), "NaN or infinite"),
        (np.array([[1.0, 2.0], [0.0, 0.0]]), "embedding 1 is the zero vector"),
    ],
)
def test_unit_refuses(z, message):
    with pytest.raises(ValueError, match=message):
        metrics.unit(z)


@pytest.mark.parametrize("scale", [1e-300, 1e-37, 1e20, 1e300])
def test_unit_ignores_the_scale(scale):
    z = normal(5, 3)
    np.testing.assert_allclose(metrics.unit(scale * z), metrics.unit(z), rtol=1e-12)


def test_alignment():
    u, v = directions(7, 4, seed=1), directions(7, 4, seed=2)
    loops = math.fsum(sum((a - b) ** 2 for a, b in zip(x, y, strict=True)) for x, y in zip(u, v, strict=True)) / 7
    assert metrics.alignment(u, v) == pytest.approx(loops, rel=1e-13)
    assert metrics.alignment(u, u) == 0
    assert metrics.alignment(u, -u) == pytest.approx(4)


@pytest.mark.parametrize("shape", [(1, 4), (6, 4), (7, 3)])
def test_alignment_needs_the_same_shapes(shape):
    with pytest.raises(ValueError, match="two views of the same embeddings"):
        metrics.alignment(directions(7, 4), directions(*shape))


def loops_of_negatives(u, v):
    """The variance of u_i.v_j over i != j, by plain loops."""
    count = len(u)
    products = [float(u[i] @ v[j]) for i in range(count) for j in range(count) if i != j]
    mean = math.fsum(products) / len(products)
    return math.fsum((product - mean) ** 2 for product in products) / len(products)


@PROPERTY
@given(count=st.integers(2, 40), dim=st.integers(1, 20), shift=st.sampled_from([0.0, 1, 30]), seed=st.integers(0, 9))
def test_negative_variance_is_that_of_loops(count, dim, shift, seed):
    """At any collapse, a shift of 30 leaving similarities that differ in the third digit."""
    u = directions(count, dim, seed, shift)
    v = metrics.unit(u + 0.5 * normal(count, dim, seed + 100))
    for views in ((u, v), (u, u), (u, directions(count, dim, seed + 200, shift))):
        assert metrics.negative_variance(*views) == pytest.approx(loops_of_negatives(*views), rel=1e-9, abs=1e-15)


def test_negative_variance_of_known_sets():
    simplex, points = sphere.simplex(9, 8), collapsed(9, 8)
    assert metrics.negative_variance(simplex, simplex) == pytest.approx(0, abs=1e-16)
    assert metrics.negative_variance(points, points) == pytest.approx(0, abs=1e-16)
    ends = np.array([[1.0], [1.0], [-1.0], [-1.0]])  # u_i.v_j = 1 in 4 of 12 negative pairs, -1 in 8
    assert metrics.negative_variance(ends, ends) == pytest.approx(1 - (4 / 12) ** 2)
    uniform = directions(4000, 128, 0), directions(4000, 128, 1)
    assert metrics.negative_variance(*uniform) == pytest.approx(1 / 128, rel=0.01)


@pytest.mark.parametrize("shapes", [((7, 4), (6, 4)), ((1, 4), (1, 4))])
def test_negative_variance_needs_two_pairs_of_the_same_shape(shapes):
    with pytest.raises(ValueError, match="need two views of the same embeddings, 2 at least"):
        metrics.negative_variance(*(directions(*shape) for shape in shapes))


def test_similarities_are_those_of_the_pairs_in_order():
    z = directions(5, 3)
    loops = [float(np.dot(z[i], z[j])) for i in range(5) for j in range(i + 1, 5)]
    np.testing.assert_allclose(metrics.similarities(z), loops, rtol=1e-13)
    z = directions(600, 3)  # more than one block of rows
    np.testing.assert_allclose(metrics.similarities(z), (z @ z.T)[np.triu_indices(600, k=1)], atol=1e-15)


def test_similarities_stay_within_one():
    s = metrics.similarities(np.concatenate([collapsed(30, 7), -collapsed(30, 7)]))
    assert s.min() == -1
    assert s.max() == 1


@pytest.mark.parametrize("t", [0.5, 2.0, 5.0])
def test_uniformity(t):
    z = directions(9, 4, shift=0.3)
    potentials = [math.exp(-t * np.square(z[i] - z[j]).sum()) for i in range(9) for j in range(i)]
    assert metrics.uniformity(z, t) == pytest.approx(math.log(math.fsum(potentials) / len(potentials)), rel=1e-12)


def test_uniformity_uses_t_2():
    z = directions(9, 4)
    assert metrics.uniformity(z) == metrics.uniformity(z, t=2.0)


@pytest.mark.parametrize(
    ("points", "expected"),
    [(sphere.simplex(129, 128), -4.03125), (sphere.cross_polytope(128), -4.00386), (np.eye(128), -4.0)],
    ids=["simplex", "cross-polytope", "orthogonal"],
)
def test_uniformity_of_optimal_points(points, expected):
    assert metrics.uniformity(points) == pytest.approx(expected, abs=6e-6)


def test_uniformity_of_uniform_points():
    values = [metrics.uniformity(sphere.uniform(1000, 128, seed)) for seed in range(3)]
    assert np.mean(values) == pytest.approx(-3.93753, abs=2e-3)
    assert math.log(GaussianKernel(t=2.0).uniform_mean(128)) == pytest.approx(-3.93753, abs=6e-6)


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        (collapsed(20, 128), 1.0),
        (np.eye(128), 0.07066),
        (sphere.simplex(129, 128), 0.07094),
        (sphere.cross_polytope(128), 0.07255),
    ],
    ids=["collapse", "orthogonal", "simplex", "cross-polytope"],
)
def test_wasserstein_of_known_points(points, expected):
    assert metrics.wasserstein_uniformity(points) == pytest.approx(expected, abs=6e-6)


@pytest.mark.parametrize("dim", [2, 3, 4, 7, 128])
def test_wasserstein_of_total_collapse_is_one(dim):
    assert metrics.wasserstein_uniformity(collapsed(6, dim)) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("s", [-1.0, -0.3, 0.0, 0.7, 1.0])
def test_wasserstein_of_two_points(s):
    """A point mass at s against the uniform law on [-1, 1]: (1 + s^2) / 2."""
    z = np.array([[1.0, 0.0, 0.0], [s, math.sqrt(1 - s * s), 0.0]])
    assert metrics.wasserstein_uniformity(z) == pytest.approx((1 + s * s) / 2, abs=1e-12)


def integrated_wasserstein(z):
    """Integral of |F_N - F| over the angle, F itself by numerical integration between the similarities."""
    dim = z.shape[1]
    angles = np.sort([math.acos(np.clip(z[i] @ z[j], -1, 1)) for i in range(len(z)) for j in range(i)])
    grid = np.linspace(0, math.pi, 200_001)
    weight = np.sin(grid) ** (dim - 2)
    mass = np.concatenate([[0], np.cumsum((weight[1:] + weight[:-1]) / 2)])
    exceedance = mass / mass[-1]  # P(angle < x) = P(s > cos x)
    empirical = np.searchsorted(angles, grid, side="right") / len(angles)
    gap = np.abs(empirical - exceedance) * np.sin(grid)
    return np.sum((gap[1:] + gap[:-1]) / 2) * (grid[1] - grid[0])


@pytest.mark.parametrize("shift", [0.0, 0.5, 3.0])
@pytest.mark.parametrize("dim", [2, 3, 4, 5, 9, 64, 127, 128])
def test_wasserstein_equals_numerical_integration(dim, shift):
    for count in (2, 3, 12):
        z = directions(count, dim, seed=count, shift=shift)
        assert metrics.wasserstein_uniformity(z) == pytest.approx(integrated_wasserstein(z), abs=2e-5)


@pytest.mark.parametrize("dim", [2, 3, 11, 128])
def test_wasserstein_equals_adaptive_quadrature(dim):
    z = directions(5, dim, seed=9, shift=0.4)
    s = np.sort(metrics.similarities(z))

    def gap(x):
        return abs(np.searchsorted(s, x, side="right") / len(s) - sphere.dot_product_cdf(x, dim))

    expected = quad(gap, -1, 1, points=s, limit=500, epsabs=1e-10)[0]
    assert metrics.wasserstein_uniformity(z) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("dim", [2, 3, 7, 64, 128])
def test_wasserstein_equals_that_to_a_large_sample(dim):
    z = directions(40, dim, seed=5, shift=0.3)
    x, y = sphere.uniform(100_000, dim, seed=6), sphere.uniform(100_000, dim, seed=7)
    sampled = wasserstein_distance(metrics.similarities(z), (x * y).sum(axis=1))
    assert metrics.wasserstein_uniformity(z) == pytest.approx(sampled, abs=5 / math.sqrt(100_000 * dim))


def wasserstein_by_quantiles(z):
    """Integral of |Q_N(p) - Q(p)| over p, each cell of the empirical quantile function split where they cross."""
    dim = z.shape[1]
    s = np.sort(metrics.similarities(z))
    levels = np.arange(len(s) + 1) / len(s)
    split = np.clip(sphere.dot_product_cdf(s, dim), levels[:-1], levels[1:])

    def integral(p):
        return sphere.dot_product_partial_mean(sphere.dot_product_quantile(p, dim), dim)

    cells = s * (2 * split - levels[:-1] - levels[1:]) - (
        2 * integral(split) - integral(levels)[:-1] - integral(levels)[1:]
    )
    return cells.sum()


@pytest.mark.parametrize(
    "z",
    [
        sphere.uniform(200, 2, 0),
        sphere.uniform(200, 16, 0),
        sphere.uniform(200, 128, 0),
        directions(150, 20, shift=0.5),
        sphere.cross_polytope(64),
        np.concatenate([np.eye(5)] * 20 + [-np.eye(5)] * 10),
        np.concatenate([collapsed(50, 6), -collapsed(50, 6)]),
    ],
    ids=["d=2", "d=16", "d=128", "gathered", "cross-polytope", "ties", "two poles"],
)
def test_wasserstein_of_many_points_equals_the_integral_of_quantiles(z):
    """Thousands of pairs: more than one block, with and without ties."""
    assert metrics.wasserstein_uniformity(z) == pytest.approx(wasserstein_by_quantiles(z), abs=1e-11)


@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_wasserstein_needs_the_law_at_few_of_the_pairs(monkeypatch, shift):
    """What makes N = 5,000 a matter of seconds."""
    evaluated = []
    for name in ("dot_product_cdf", "dot_product_quantile"):
        function = getattr(sphere, name)
        monkeypatch.setattr(sphere, name, lambda x, dim, f=function: evaluated.append(np.size(x)) or f(x, dim))
    metrics.wasserstein_uniformity(directions(1000, 64, shift=shift))
    assert 0 < sum(evaluated) < 0.05 * 1000 * 999 / 2


@pytest.mark.parametrize("metric", [metrics.uniformity, metrics.wasserstein_uniformity, metrics.similarity_histogram])
def test_metrics_of_pairs_do_not_hold_all_pairs(metric):
    z = directions(3000, 16, shift=1.0)
    metric(z[:10])
    tracemalloc.start()
    metric(z)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * 3000 * 2999 / 2


@pytest.mark.parametrize(
    ("k", "expected"), [(64, (0.016, 0.030)), (32, (0.047, 0.072)), (8, (0.22, 0.22)), (4, (0.39, 0.35))]
)
def test_shift_of_both_metrics_from_the_sphere_to_a_sub_sphere(k, expected):
    """Of uniform laws in k of 128 dimensions, as a share of the way from uniform to collapsed."""
    uniformity = [math.log(GaussianKernel(t=2.0).uniform_mean(dim)) for dim in (k, 128)]
    levels = (np.arange(100_000) + 0.5) / 100_000
    quantiles = [sphere.dot_product_quantile(levels, dim) for dim in (k, 128)]
    shifts = (uniformity[0] - uniformity[1]) / -uniformity[1], np.abs(quantiles[0] - quantiles[1]).mean()
    assert shifts == pytest.approx(expected, abs=6e-4 if k > 8 else 6e-3)


def test_subsampled_wasserstein_estimates_the_mean_over_all_subsets_and_that_is_above_the_whole():
    z = directions(7, 4, shift=0.2)
    subsets = [metrics.wasserstein_uniformity(z[list(rows)]) for rows in combinations(range(7), 4)]
    estimate, standard_error = metrics.wasserstein_uniformity_subsampled(z, points=4, repeats=400, seed=0)
    assert abs(estimate - np.mean(subsets)) < 4 * standard_error
    assert standard_error == pytest.approx(np.std(subsets) / math.sqrt(400), rel=0.1)
    assert np.mean(subsets) > metrics.wasserstein_uniformity(z) + 4 * standard_error


def test_subsampled_wasserstein_is_seeded_and_exact_for_all_points():
    z = directions(60, 8, shift=0.2)
    first = metrics.wasserstein_uniformity_subsampled(z, points=20, repeats=5, seed=1)
    assert first == metrics.wasserstein_uniformity_subsampled(z, points=20, repeats=5, seed=1)
    assert first != metrics.wasserstein_uniformity_subsampled(z, points=20, repeats=5, seed=2)
    whole = metrics.wasserstein_uniformity_subsampled(z, points=60, repeats=2, seed=0)
    assert whole == pytest.approx((metrics.wasserstein_uniformity(z), 0), abs=1e-12)


@pytest.mark.parametrize(("points", "repeats"), [(1, 5), (61, 5), (10, 1)])
def test_subsampled_wasserstein_refuses(points, repeats):
    with pytest.raises(ValueError, match=f"needs 2 to 60 points and at least 2 repeats; got {points} and {repeats}"):
        metrics.wasserstein_uniformity_subsampled(directions(60, 8), points, repeats, seed=0)


@pytest.mark.parametrize("count", [125, 500])
def test_wasserstein_of_uniform_points_in_128_dimensions_is_about_0_16_over_their_number(count):
    values = [metrics.wasserstein_uniformity(sphere.uniform(count, 128, seed)) for seed in range(10)]
    assert count * np.mean(values) == pytest.approx(0.16, abs=0.04)


def test_wasserstein_of_uniform_points_falls_with_their_number():
    values = [metrics.wasserstein_uniformity(sphere.uniform(count, 16, seed=0)) for count in (10, 100, 1000)]
    assert values[0] > values[1] > values[2]
    assert values[2] < 2e-3


def roy_vetterli(z):
    shares = np.sqrt(np.clip(np.linalg.eigvalsh(z.T @ z), 0, None))
    shares = [x for x in shares / shares.sum() if x > 1e-12]
    return math.exp(-math.fsum(x * math.log(x) for x in shares))


@pytest.mark.parametrize(("count", "dim"), [(20, 5), (5, 20), (8, 8), (1, 4)])
def test_effective_rank(count, dim):
    z = directions(count, dim, shift=0.5)
    assert metrics.effective_rank(z) == pytest.approx(roy_vetterli(z), rel=1e-5)
    if count > 1:
        assert metrics.effective_rank(z, centred=True) == pytest.approx(roy_vetterli(z - z.mean(axis=0)), rel=1e-5)


def test_centring_matters_for_gathered_points():
    z = directions(200, 10, shift=5.0)
    assert metrics.effective_rank(z) < 5
    assert metrics.effective_rank(z, centred=True) > 8


@pytest.mark.parametrize("count", [2, 5, 64, 129])
@pytest.mark.parametrize("centred", [False, True])
def test_effective_rank_of_the_simplex(count, centred):
    z = sphere.simplex(count, 128)
    assert metrics.effective_rank(z, centred) == pytest.approx(count - 1, rel=1e-9)
    assert metrics.covariance_rank(z) == count - 1


def test_ranks_of_the_cross_polytope():
    z = sphere.cross_polytope(128)
    assert metrics.effective_rank(z) == pytest.approx(128, rel=1e-12)
    assert metrics.covariance_rank(z) == 128


@pytest.mark.parametrize(("count", "expected", "digits"), [(256, 118.6, 0.2), (1000, 125.9, 0.06), (4000, 127.5, 0.06)])
def test_effective_rank_ceiling_of_uniform_points(count, expected, digits):
    assert metrics.effective_rank(sphere.uniform(count, 128, seed=0)) == pytest.approx(expected, abs=digits)


@pytest.mark.parametrize("rank", [1, 3, 20])
def test_ranks_of_points_in_a_subspace(rank):
    rotation = np.linalg.qr(normal(20, 20))[0]
    z = sphere.uniform(500, rank, seed=1) @ rotation[:rank]
    assert metrics.covariance_rank(z) == rank
    assert rank * 0.9 < metrics.effective_rank(z) <= rank + 1e-9


def test_covariance_rank_counts_from_the_mean():
    assert metrics.covariance_rank(np.eye(6)) == 5
    assert metrics.covariance_rank(np.array([[1.0, 0.0], [0.0, 1.0]])) == 1


def test_covariance_rank_tolerances():
    """Eigenvalues of the covariance 1, 1e-2, ..., 1e-12, about the origin."""
    half = np.diag(np.sqrt(7.0 * 10.0 ** (-2 * np.arange(7))))
    z = np.concatenate([half, -half])
    assert metrics.covariance_rank(z) == 3
    assert metrics.covariance_rank(z, rtol=1e-9) == 5
    assert metrics.covariance_rank(1e-3 * z) == 3
    assert metrics.covariance_rank(z, rtol=0, atol=1e-5) == 3
    assert metrics.covariance_rank(1e-3 * z, rtol=0, atol=1e-5) == 0
    assert metrics.covariance_rank(10 * z, rtol=0, atol=1e-5) == 4


def test_released_rank_convention():
    """The release: numpy.linalg.matrix_rank of numpy.cov, with the absolute tolerance 1e-5."""
    z = directions(60, 12) * np.logspace(0, -4, 12)
    expected = np.linalg.matrix_rank(np.cov(z.T), tol=1e-5)
    assert 1 < expected < 12
    assert metrics.covariance_rank(z, rtol=0, atol=1e-5) == expected


def test_singular_values():
    z = normal(10, 4)
    for centred in (False, True):
        moved = z - z.mean(axis=0) if centred else z
        expected = np.sqrt(np.linalg.eigvalsh(moved.T @ moved)[::-1])
        np.testing.assert_allclose(metrics.singular_values(z, centred), expected, rtol=1e-10)
    assert metrics.singular_values(z[:3]).shape == (3,)


@pytest.mark.parametrize("bins", [1, 10, 100])
def test_histogram_is_a_density_over_all_pairs(bins):
    z = np.concatenate([directions(20, 3), -directions(20, 3)])
    edges, density = metrics.similarity_histogram(z, bins)
    assert density.shape == (bins,)
    np.testing.assert_allclose(edges, np.linspace(-1, 1, bins + 1))
    assert (density * np.diff(edges)).sum() == pytest.approx(1)
    s = metrics.similarities(z)
    first = density[0] * (edges[1] - edges[0])
    assert first == pytest.approx(np.mean(s < edges[1]) if bins > 1 else 1)


@pytest.mark.parametrize("z", [collapsed(10, 4), np.eye(3)[[0, 0, 0]], collapsed(3, 128)], ids=["10", "exact", "3"])
def test_total_collapse(z):
    assert metrics.uniformity(z) == pytest.approx(0, abs=1e-12)
    assert metrics.wasserstein_uniformity(z) == pytest.approx(1, abs=1e-12)
    assert metrics.effective_rank(z) == pytest.approx(1, abs=1e-9)
    edges, density = metrics.similarity_histogram(z)
    assert (density * np.diff(edges))[-1] == pytest.approx(1)


@pytest.mark.parametrize("z", [collapsed(10, 4), np.eye(3)[[0, 0, 0]], collapsed(3, 128)], ids=["10", "exact", "3"])
def test_total_collapse_has_no_variance_to_rank(z):
    """Rounding errors of the mean are not dimensions."""
    assert metrics.covariance_rank(z) == 0
    assert metrics.effective_rank(z, centred=True) == 0


def test_one_point():
    z = directions(1, 5)
    for metric in (
        metrics.similarities,
        metrics.uniformity,
        metrics.wasserstein_uniformity,
        metrics.similarity_histogram,
    ):
        with pytest.raises(ValueError, match="at least 2 embeddings; got 1"):
            metric(z)
    assert metrics.effective_rank(z) == pytest.approx(1)
    assert metrics.effective_rank(z, centred=True) == 0
    assert metrics.covariance_rank(z) == 0


def test_one_dimension_has_no_uniform_law():
    with pytest.raises(ValueError, match="at least 2 dimensions; got 1"):
        metrics.wasserstein_uniformity(np.ones((3, 1)))


def test_zeros_have_no_rank():
    assert metrics.effective_rank(np.zeros((4, 3))) == 0
    assert metrics.covariance_rank(np.zeros((4, 3))) == 0


sizes = st.tuples(st.integers(2, 12), st.integers(2, 6), st.integers(0, 10_000))


@PROPERTY
@given(sizes, st.sampled_from([0.0, 0.5, 3.0]))
def test_invariant_to_order_and_rotation(size, shift):
    count, dim, seed = size
    z = directions(count, dim, seed, shift)
    moved = z[np.random.default_rng(seed).permutation(count)] @ np.linalg.qr(normal(dim, dim, seed))[0]
    for metric in (metrics.uniformity, metrics.wasserstein_uniformity, metrics.effective_rank):
        assert metric(moved) == pytest.approx(metric(z), abs=1e-9)


@PROPERTY
@given(sizes, st.sampled_from([0.0, 0.5, 3.0]))
def test_ranges(size, shift):
    count, dim, seed = size
    z = directions(count, dim, seed, shift)
    assert -8 <= metrics.uniformity(z) <= 0
    assert 0 <= metrics.wasserstein_uniformity(z) <= 1 + 1e-12
    assert 1 - 1e-12 <= metrics.effective_rank(z) <= min(count, dim) + 1e-12
    assert metrics.effective_rank(z, centred=True) <= metrics.covariance_rank(z, rtol=1e-20) + 1e-9 <= dim + 1e-9
