"""The sphere: optimal point sets, and the law of dot products against numerical integration."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import hyp0f1
from scipy.stats import kstest

from dhel_kcl.geometry import sphere

DIMS = [2, 3, 4, 5, 8, 33, 64, 127, 128]


def off_diagonal(points):
    return (points @ points.T)[~np.eye(len(points), dtype=bool)]


@pytest.mark.parametrize(("count", "dim"), [(2, 1), (2, 2), (3, 2), (2, 7), (5, 4), (5, 9), (129, 128), (100, 128)])
def test_simplex(count, dim):
    points = sphere.simplex(count, dim)
    assert points.shape == (count, dim)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1, rtol=1e-13)
    np.testing.assert_allclose(off_diagonal(points), -1 / (count - 1), atol=1e-13)
    np.testing.assert_allclose(points.sum(axis=0), 0, atol=1e-12)
    squares = np.square(points[0] - points[1:]).sum(axis=1)
    np.testing.assert_allclose(squares, 2 * count / (count - 1), rtol=1e-12)


@pytest.mark.parametrize(("count", "dim"), [(1, 4), (0, 4), (6, 4), (131, 128)])
def test_simplex_needs_2_to_d_plus_1_points(count, dim):
    with pytest.raises(ValueError, match=f"has 2 to {dim + 1} points; asked for {count}"):
        sphere.simplex(count, dim)


@pytest.mark.parametrize("dim", [1, 2, 3, 128])
def test_cross_polytope(dim):
    points = sphere.cross_polytope(dim)
    assert points.shape == (2 * dim, dim)
    np.testing.assert_array_equal(np.linalg.norm(points, axis=1), 1)
    for row in points:
        cosines = np.sort(points @ row)
        assert cosines.tolist() == [-1.0, *[0.0] * (2 * dim - 2), 1.0]


@pytest.mark.parametrize(("count", "dim"), [(2, 2), (3, 4), (5, 4), (8, 4), (256, 128), (4, 2), (2, 1)])
def test_optimal_cosines_are_those_of_every_point_of_the_set(count, dim):
    cosines, counts = sphere.optimal_cosines(count, dim)
    points = sphere.simplex(count, dim) if count <= dim + 1 else sphere.cross_polytope(dim)
    expected = np.sort(np.repeat(cosines, counts.astype(int)))
    assert len(expected) == count - 1
    for i, row in enumerate(points):
        np.testing.assert_allclose(np.sort(np.delete(points @ row, i)), expected, atol=1e-12)


@pytest.mark.parametrize(("count", "dim"), [(1, 4), (6, 4), (7, 4), (9, 4), (255, 128), (257, 128)])
def test_optimum_is_none_where_unknown(count, dim):
    assert sphere.optimal_cosines(count, dim) is None
    assert sphere.optimal_log_energy(count, dim, 0.5) is None


@pytest.mark.parametrize("temperature", [0.05, 0.5, 2.0])
@pytest.mark.parametrize(("count", "dim"), [(2, 3), (5, 4), (8, 4), (256, 128)])
def test_optimal_log_energy(count, dim, temperature):
    points = sphere.simplex(count, dim) if count <= dim + 1 else sphere.cross_polytope(dim)
    total = sum(math.exp(points[0] @ other / temperature) for other in points[1:])
    assert sphere.optimal_log_energy(count, dim, temperature) == pytest.approx(math.log(total), rel=1e-12)


def test_optimal_log_energy_does_not_underflow():
    assert sphere.optimal_log_energy(2, 8, 1e-4) == pytest.approx(-1e4, rel=1e-12)
    assert sphere.optimal_log_energy(16, 8, 1e-4) == pytest.approx(math.log(14), rel=1e-12)


def test_uniform_points():
    points = sphere.uniform(500, 6, seed=1)
    assert points.shape == (500, 6)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1, rtol=1e-13)
    np.testing.assert_array_equal(points, sphere.uniform(500, 6, seed=1))
    assert not np.allclose(points, sphere.uniform(500, 6, seed=2))
    np.testing.assert_allclose(points.mean(axis=0), 0, atol=5 * math.sqrt(1 / 6 / 500))
    np.testing.assert_allclose(points.T @ points / 500, np.eye(6) / 6, atol=0.05)


@pytest.mark.parametrize("dim", [2, 3, 8, 128])
def test_uniform_points_follow_the_law(dim):
    x, y = sphere.uniform(20_000, dim, seed=3), sphere.uniform(20_000, dim, seed=4)
    assert kstest((x * y).sum(axis=1), lambda s: sphere.dot_product_cdf(s, dim)).pvalue > 0.01


def density(s, dim):
    """(1 - s^2)^((dim-3)/2), normalised numerically over the angle."""
    weight = quad(lambda angle: math.sin(angle) ** (dim - 2), 0, math.pi)[0]
    return (1 - s * s) ** ((dim - 3) / 2) / weight


@pytest.mark.parametrize("dim", DIMS)
def test_pdf(dim):
    grid = [-0.99, -0.5, -0.1, 0.0, 0.3, 0.9]
    np.testing.assert_allclose(sphere.dot_product_pdf(grid, dim), [density(s, dim) for s in grid], rtol=1e-8)
    assert sphere.dot_product_pdf(0.2, dim) == pytest.approx(density(0.2, dim), rel=1e-8)
    np.testing.assert_array_equal(sphere.dot_product_pdf([-1.5, 1.5], dim), 0)


@pytest.mark.parametrize("dim", DIMS)
def test_cdf_and_partial_mean_are_integrals_of_the_density(dim):
    weight = quad(lambda angle: math.sin(angle) ** (dim - 2), 0, math.pi)[0]
    for s in (-0.95, -0.3, 0.0, 0.1, 0.8, 1.0):
        start = math.acos(s)  # s = cos(angle) falls from 1 to -1 as the angle grows from 0 to pi
        mass = quad(lambda angle: math.sin(angle) ** (dim - 2), start, math.pi)[0] / weight
        mean = quad(lambda angle: math.cos(angle) * math.sin(angle) ** (dim - 2), start, math.pi)[0] / weight
        assert sphere.dot_product_cdf(s, dim) == pytest.approx(mass, rel=1e-7, abs=1e-10)
        assert sphere.dot_product_partial_mean(s, dim) == pytest.approx(mean, rel=1e-7, abs=1e-10)


@pytest.mark.parametrize("dim", DIMS)
def test_cdf_at_and_beyond_the_ends(dim):
    assert sphere.dot_product_cdf([-2, -1, 0, 1, 2], dim).tolist() == pytest.approx([0, 0, 0.5, 1, 1])
    assert sphere.dot_product_partial_mean([-1, 1], dim).tolist() == [0, 0]


@pytest.mark.parametrize("dim", DIMS)
def test_quantile_inverts_the_cdf(dim):
    levels = np.linspace(0, 1, 101)
    quantiles = sphere.dot_product_quantile(levels, dim)
    assert (np.diff(quantiles) > 0).all()
    assert quantiles[[0, 50, 100]].tolist() == pytest.approx([-1, 0, 1], abs=1e-12)
    np.testing.assert_allclose(sphere.dot_product_cdf(quantiles, dim), levels, atol=1e-12)
    np.testing.assert_allclose(quantiles, -quantiles[::-1], atol=1e-12)


def test_laws_known_in_closed_form():
    """Arcsine on the circle, uniform in three dimensions (Archimedes), semicircle in four."""
    s = np.linspace(-1, 1, 21)
    np.testing.assert_allclose(sphere.dot_product_cdf(s, 2), 1 - np.arccos(s) / np.pi, atol=1e-12)
    np.testing.assert_allclose(sphere.dot_product_cdf(s, 3), (s + 1) / 2, atol=1e-12)
    semicircle = 0.5 + (s * np.sqrt(1 - s * s) + np.arcsin(s)) / np.pi
    np.testing.assert_allclose(sphere.dot_product_cdf(s, 4), semicircle, atol=1e-12)
    np.testing.assert_allclose(sphere.dot_product_quantile([0.25, 0.75], 2), [-math.sqrt(0.5), math.sqrt(0.5)])


def log_mean_exp_by_angle(dim, temperature):
    def log_integrand(angle, x):
        return x * (math.cos(angle) - 1) + (dim - 2) * math.log(math.sin(angle))

    def log_integral(x):
        grid = np.linspace(0, math.pi, 20_001)[1:-1]
        values = x * (np.cos(grid) - 1) + (dim - 2) * np.log(np.sin(grid))
        inside = grid[values > values.max() - 60]
        start, end = max(0, inside[0] - 1e-3), min(math.pi, inside[-1] + 1e-3)
        integral = quad(lambda angle: math.exp(log_integrand(angle, x) - values.max()), start, end, limit=500)[0]
        return x + values.max() + math.log(integral)

    return log_integral(1 / temperature) - log_integral(0.0)


@pytest.mark.parametrize("dim", [2, 3, 4, 64, 128, 1024, 4096])
@pytest.mark.parametrize("temperature", [0.005, 0.01, 0.1, 0.5, 1.0, 2.0])
def test_log_mean_exp(dim, temperature):
    expected = log_mean_exp_by_angle(dim, temperature)
    assert sphere.log_mean_exp(dim, temperature) == pytest.approx(expected, rel=1e-9, abs=1e-11)


def test_log_mean_exp_in_closed_form():
    """sinh(x) / x in three dimensions; 1 / (2 dim tau^2) at high temperature, where the value is near 0."""
    for temperature in (0.01, 0.3, 5.0):
        x = 1 / temperature
        assert sphere.log_mean_exp(3, temperature) == pytest.approx(
            x + math.log(-math.expm1(-2 * x) / (2 * x)), rel=1e-12
        )
    assert sphere.log_mean_exp(4096, 100.0) == pytest.approx(1 / (2 * 4096 * 1e4), rel=1e-7)
    assert sphere.log_mean_exp(64, 0.5) == pytest.approx(math.log(hyp0f1(32, 1.0)), rel=1e-13)


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan, math.inf])
def test_log_mean_exp_needs_a_temperature(temperature):
    with pytest.raises(ValueError, match="temperature must be a finite number above 0"):
        sphere.log_mean_exp(8, temperature)


@pytest.mark.parametrize("dim", [2, 3, 8, 128, 4096])
def test_rule_integrates_powers_over_the_law(dim):
    """E s^2 = 1/dim, E s^4 = 3 / (dim (dim + 2)); odd powers vanish."""
    s, weights = sphere.dot_product_rule(dim)
    moments = [weights @ s**power for power in range(5)]
    assert moments == pytest.approx([1, 0, 1 / dim, 0, 3 / (dim * (dim + 2))], rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("dim", [2, 3, 128])
def test_samples_follow_the_law(dim):
    samples = sphere.dot_product_sample(20_000, dim, seed=5)
    assert samples.shape == (20_000,)
    assert kstest(samples, lambda s: sphere.dot_product_cdf(s, dim)).pvalue > 0.01
    np.testing.assert_array_equal(samples, sphere.dot_product_sample(20_000, dim, seed=5))
    assert (samples != sphere.dot_product_sample(20_000, dim, seed=6)).any()


@pytest.mark.parametrize(("dim", "temperature"), [(3, 1.0), (16, 0.5), (128, 0.1)])
def test_dispersion(dim, temperature):
    moments = [quad(lambda s, k=k: math.exp(k * s / temperature) * density(s, dim), -1, 1)[0] for k in (1, 2)]
    assert sphere.dispersion(dim, temperature) == pytest.approx(moments[1] / moments[0] ** 2 - 1, rel=1e-6)
    assert sphere.dispersion(2, 1e-5) > 100
    assert sphere.dispersion(4096, 1e-4) == math.inf


@pytest.mark.parametrize("count", [16, 64, 256])
@pytest.mark.parametrize(("dim", "temperature"), [(16, 0.5), (64, 0.3), (128, 0.1)])
def test_log_energy_of_uniform_points(count, dim, temperature):
    """Within four standard errors and the square of the expansion's parameter."""
    repeats = 4_000_000 // count
    c = sphere.dot_product_sample(repeats * (count - 1), dim, seed=count).reshape(repeats, count - 1)
    log_sums = np.log(np.exp(c / temperature).sum(axis=1))
    standard_error = log_sums.std() / math.sqrt(repeats)
    bias = sphere.dispersion(dim, temperature) / (2 * (count - 1))
    error = sphere.log_energy_of_uniform(count, dim, temperature) - log_sums.mean()
    assert abs(error) < 4 * standard_error + bias**2
    if count < 256:
        assert bias > 4 * standard_error + bias**2  # the leading term alone would fail


def test_log_energy_needs_two_points():
    with pytest.raises(ValueError, match="at least 2 points; got 1"):
        sphere.log_energy_of_uniform(1, 8, 0.5)


@pytest.mark.parametrize("q", [-2.0, -0.5, 1.0, 2.0, 4.0])
@pytest.mark.parametrize("dim", [4, 16, 128])
def test_mean_power_of_distance(q, dim):
    distances = np.sqrt(2 - 2 * sphere.dot_product_sample(400_000, dim, seed=1))
    powers = distances**q
    error = sphere.mean_power_of_distance(q, dim) - powers.mean()
    assert abs(error) <= 4 * powers.std() / math.sqrt(len(powers))
    if q == 2:
        assert sphere.mean_power_of_distance(q, dim) == pytest.approx(2, rel=1e-12)


@pytest.mark.parametrize("dim", [1, 0, -3])
def test_law_needs_two_dimensions(dim):
    for function in (
        sphere.dot_product_pdf,
        sphere.dot_product_cdf,
        sphere.dot_product_quantile,
        sphere.dot_product_partial_mean,
        sphere.mean_power_of_distance,
    ):
        with pytest.raises(ValueError, match=f"at least 2 dimensions; got {dim}"):
            function(0.5, dim)
    for call in (
        lambda: sphere.dot_product_sample(3, dim, seed=0),
        lambda: sphere.dot_product_rule(dim),
        lambda: sphere.log_mean_exp(dim, 0.5),
    ):
        with pytest.raises(ValueError, match=f"at least 2 dimensions; got {dim}"):
            call()
