"""The kernels: their formulas, their behaviour at r = 0, and their means over the uniform law."""

import math

import pytest
import torch
from scipy.integrate import quad
from scipy.special import hyp2f1

from dhel_kcl.kernels.gaussian import GaussianKernel
from dhel_kcl.kernels.gaussian_riesz import GaussianRieszKernel
from dhel_kcl.kernels.imq import IMQKernel
from dhel_kcl.kernels.log import LogKernel
from dhel_kcl.kernels.riesz import RieszKernel

# Kernel, K_U(r^2) and K_A(r^2).
FORMULAS = [
    (GaussianKernel(), lambda r2: math.exp(-2 * r2), None),
    (GaussianKernel(t=0.5), lambda r2: math.exp(-0.5 * r2), None),
    (LogKernel(), lambda r2: -math.log(1 + 2 * r2) / 2, None),
    (LogKernel(t=3.0, released_alignment=True), lambda r2: -math.log(1 + 3 * r2) / 2, lambda r2: -math.log(1 + 3 * r2)),
    (IMQKernel(), lambda r2: 2 / math.sqrt(4 + r2), None),
    (IMQKernel(c=0.5), lambda r2: 0.5 / math.sqrt(0.25 + r2), None),
    (RieszKernel(), lambda r2: -math.sqrt(r2), None),
    (RieszKernel(q=0.3), lambda r2: -(math.sqrt(r2) ** 0.3), None),
    (GaussianRieszKernel(), lambda r2: 1 / r2, lambda r2: math.exp(-2 * r2)),
    (GaussianRieszKernel(s=0.5), lambda r2: 1 / math.sqrt(r2) ** 0.5, lambda r2: math.exp(-2 * r2)),
]
KERNELS = [kernel for kernel, _, _ in FORMULAS]


@pytest.mark.parametrize(("kernel", "energy", "alignment"), FORMULAS, ids=map(str, KERNELS))
def test_formula(kernel, energy, alignment):
    distances = [1e-6, 0.1, 1.0, 2.0, 3.7, 4.0]
    r2 = torch.tensor(distances, dtype=torch.float64)
    assert kernel.energy(r2).tolist() == pytest.approx([energy(x) for x in distances], rel=1e-12)
    assert kernel.alignment(r2).tolist() == pytest.approx([(alignment or energy)(x) for x in distances], rel=1e-12)


@pytest.mark.parametrize("kernel", KERNELS, ids=str)
def test_decreases_with_distance_and_is_convex_in_its_square(kernel):
    """What makes the simplex optimal."""
    r2 = torch.linspace(0.01, 4, 200, dtype=torch.float64)
    for values in (kernel.energy(r2), kernel.alignment(r2)):
        assert (values.diff() < 0).all()
        assert (values.diff(n=2) > 0).all()


@pytest.mark.parametrize("kernel", KERNELS, ids=str)
def test_gradient(kernel):
    r2 = torch.tensor([0.01, 0.5, 2.0, 4.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(kernel.energy, r2)
    assert torch.autograd.gradcheck(kernel.alignment, r2)


@pytest.mark.parametrize(
    ("kernel", "slope"),
    [
        (GaussianKernel(t=3.0), -3),
        (LogKernel(t=3.0), -1.5),
        (LogKernel(t=3.0, released_alignment=True), -3),
        (IMQKernel(c=2.0), -1 / 8),
        (RieszKernel(q=0.5), 0),
        (RieszKernel(q=1.0), 0),
        (RieszKernel(q=1.9), 0),
        (GaussianRieszKernel(), -2),
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_alignment_gradient_at_perfect_alignment(kernel, slope, dtype):
    """Zero for Riesz, whose derivative diverges: perfectly aligned positives must not get NaN."""
    r2 = torch.zeros(3, dtype=dtype, requires_grad=True)
    (gradient,) = torch.autograd.grad(kernel.alignment(r2).sum(), r2)
    assert gradient.tolist() == pytest.approx([slope] * 3, rel=1e-6)


def test_energy_of_coincident_points_diverges_for_gaussian_riesz_alone():
    assert GaussianRieszKernel().energy(torch.zeros(1)).item() == math.inf
    for kernel, at_zero in [(GaussianKernel(), 1), (LogKernel(), 0), (IMQKernel(), 1), (RieszKernel(), 0)]:
        assert kernel.energy(torch.zeros(1)).item() == at_zero


def mean_by_angle(function, dim):
    """Mean of function(r^2) over independent uniform points of S^(dim-1), by the angle between them."""
    half_width = min(math.pi / 2, 12 / math.sqrt(dim))  # the rest weighs less than 1e-30
    ends = math.pi / 2 - half_width, math.pi / 2 + half_width
    weight = quad(lambda angle: math.sin(angle) ** (dim - 2), *ends, limit=200)[0]
    total = quad(lambda angle: function(2 - 2 * math.cos(angle)) * math.sin(angle) ** (dim - 2), *ends, limit=200)[0]
    return total / weight


@pytest.mark.parametrize("dim", [2, 3, 8, 128, 4096])
@pytest.mark.parametrize("parameter", [0.1, 0.5, 1.0, 1.9])
@pytest.mark.parametrize("kernel", [GaussianKernel, LogKernel, IMQKernel, RieszKernel])
def test_mean_over_the_uniform_law(kernel, parameter, dim):
    k = kernel(parameter)
    expected = mean_by_angle(lambda r2: k.energy(torch.tensor(r2, dtype=torch.float64)).item(), dim)
    assert k.uniform_mean(dim) == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize(
    ("kernel", "dim"), [(GaussianKernel(t=1000.0), 2), (GaussianKernel(t=1000.0), 128), (LogKernel(t=100.0), 2)]
)
def test_mean_of_a_steep_kernel_over_the_uniform_law(kernel, dim):
    expected = mean_by_angle(lambda r2: kernel.energy(torch.tensor(r2, dtype=torch.float64)).item(), dim)
    assert kernel.uniform_mean(dim) == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("dim", [2, 3, 8, 128])
@pytest.mark.parametrize("c", [0.1, 0.5, 2.0, 50.0])
def test_mean_of_imq_has_the_closed_form(c, dim):
    a, largest = (dim - 1) / 2, c * c + 4
    assert IMQKernel(c).uniform_mean(dim) == pytest.approx(
        c / math.sqrt(largest) * hyp2f1(0.5, a, 2 * a, 4 / largest), rel=1e-12
    )


@pytest.mark.parametrize(("s", "dim"), [(0.5, 2), (0.9, 3), (2.0, 8), (2.0, 128), (6.5, 8), (2.0, 4096)])
def test_mean_of_a_diverging_kernel_over_the_uniform_law(s, dim):
    expected = mean_by_angle(lambda r2: r2 ** (-s / 2), dim)
    assert GaussianRieszKernel(s).uniform_mean(dim) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("s", "dim"), [(1.0, 2), (2.0, 3), (2.5, 3), (7.0, 8)])
def test_mean_of_a_diverging_kernel_is_infinite_from_s_dim_minus_1(s, dim):
    assert GaussianRieszKernel(s).uniform_mean(dim) == math.inf
    assert math.isfinite(GaussianRieszKernel(dim - 1.001).uniform_mean(dim))


@pytest.mark.parametrize("value", [0.0, -2.0, math.nan, math.inf])
@pytest.mark.parametrize(
    ("kernel", "name"), [(GaussianKernel, "t"), (LogKernel, "t"), (IMQKernel, "c"), (GaussianRieszKernel, "s")]
)
def test_parameter_is_a_finite_number_above_zero(kernel, name, value):
    with pytest.raises(ValueError, match=f"{name} must be a finite number above 0; got"):
        kernel(**{name: value})


@pytest.mark.parametrize("q", [-2.0, 0.0, 2.0, 3.0, math.nan, math.inf])
def test_riesz_exponent_is_between_0_and_2(q):
    with pytest.raises(ValueError, match=r"0 < q < 2.*gaussian_riesz"):
        RieszKernel(q=q)


@pytest.mark.parametrize(("kernel", "energy", "alignment"), FORMULAS, ids=map(str, KERNELS))
def test_energy_and_alignment_in_one_go(kernel, energy, alignment):
    r2 = torch.tensor([0.1, 1.0, 2.0, 3.7], dtype=torch.float64)
    energies, alignments = kernel.energy_and_alignment(r2, 3)
    assert energies.tolist() == kernel.energy(r2[:3]).tolist()
    assert alignments.tolist() == kernel.alignment(r2[3:]).tolist()


@pytest.mark.parametrize("kernel", KERNELS, ids=str)
def test_gradient_of_the_parameter_is_finite_at_zero_distance(kernel):
    (name,) = kernel.parameter_names
    learned = type(kernel)(**{name: torch.tensor(getattr(kernel, name), dtype=torch.float64, requires_grad=True)})
    r2 = torch.tensor([0.0, 0.5, 2.0], dtype=torch.float64)
    values = learned.energy(r2[kernel.energy(r2).isfinite()])
    (gradient,) = torch.autograd.grad(values.sum(), getattr(learned, name))
    assert gradient.isfinite()
    assert learned.uniform_mean(8) == pytest.approx(kernel.uniform_mean(8))


def test_repr_shows_the_parameters():
    assert repr(LogKernel(t=3.0)) == "LogKernel(t=3.0, released_alignment=False)"
    assert repr(GaussianKernel()) == "GaussianKernel(t=2.0)"
