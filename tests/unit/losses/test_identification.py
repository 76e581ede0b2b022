"""Losses are told from each other and from near misses: ours, the released formulas, lightly's, faulty ones."""

import math

import numpy as np
import pytest
import torch
from lightly.loss import DCLLoss as LightlyDCLLoss
from lightly.loss import NTXentLoss
from torch.nn.functional import cross_entropy, normalize

from dhel_kcl.geometry import metrics
from dhel_kcl.losses.dcl_loss import DCLLoss
from dhel_kcl.losses.dhel_loss import DHELLoss, dhel
from dhel_kcl.losses.identification import _log_sum_exp, identify
from dhel_kcl.losses.infonce_loss import InfoNCELoss, infonce
from dhel_kcl.losses.kcl_loss import KCLLoss
from dhel_kcl.losses.simclr_loss import SimCLRLoss
from tests.unit.losses.test_released import released_dhel, released_kcl


def of_unit_vectors(released, **parameters):
    """A released formula, which takes arrays, as a loss of raw embeddings."""
    return lambda z0, z1: released(metrics.unit(z0), metrics.unit(z1), **parameters)


def exponentials(z0, z1, tau):
    """exp(x_i.y_j / tau) of u with u, u with v, v with v."""
    u, v = normalize(z0, dim=1), normalize(z1, dim=1)
    return (u @ u.T / tau).exp(), (u @ v.T / tau).exp(), (v @ v.T / tau).exp()


def off_diagonal(matrix):
    return matrix.sum(dim=1) - matrix.diagonal()


def supervised_contrastive(features):
    """SupCon's shape (M, 2, d) and temperature factor, without labels."""
    both = torch.cat(features.unbind(dim=1))
    similarities = (normalize(both, dim=1) @ normalize(both, dim=1).T / 0.1).fill_diagonal_(-math.inf)
    return 0.1 / 0.07 * cross_entropy(similarities, torch.arange(len(both)).roll(len(features)))


OURS = [
    (InfoNCELoss(0.05), "InfoNCE, τ = 0.05"),
    (SimCLRLoss(0.5), "SimCLR, τ = 0.5"),
    (DCLLoss(0.2, energy_weight=4), "DCL, τ = 0.2, energy weight 4"),
    (DHELLoss(0.3), "DHEL, sum, τ = 0.3"),
    (DHELLoss(1.0, "mean"), "DHEL, mean, τ = 1"),
    (DHELLoss(0.3, "anchor"), "DHEL, anchor, τ = 0.3"),
    (lambda z0, z1: DHELLoss(0.3, "anchor")(z1, z0), "DHEL, anchor of (z1, z0), τ = 0.3"),
    (KCLLoss("gaussian", t=2.0), "KCL, gaussian, t = 2, γ = 16"),
    (KCLLoss("log", gamma=8.0, t=2.0), "KCL, log, t = 2, γ = 8"),
    (KCLLoss("imq", c=1.0), "KCL, imq, c = 1, γ = 16"),
    (KCLLoss("riesz", q=0.5), "KCL, riesz, q = 0.5, γ = 16"),
    (KCLLoss("gaussian_riesz", s=2.0), "KCL, gaussian_riesz, s = 2, γ = 16"),
]
RELEASED = [
    (of_unit_vectors(released_dhel, tau=0.3), "DHEL, sum, τ = 0.3"),
    (of_unit_vectors(released_dhel, tau=0.3, include_augs=False), "DHEL, anchor, τ = 0.3"),
    (of_unit_vectors(released_kcl, kernel="gaussian"), "KCL, gaussian, t = 2, γ = 16"),
    (of_unit_vectors(released_kcl, kernel="log"), "KCL, log, released alignment, t = 2, γ = 16"),
    (of_unit_vectors(released_kcl, kernel="imq"), "KCL, imq, c = 2, γ = 16"),
    (of_unit_vectors(released_kcl, kernel="riesz", t=-1.0), "KCL, riesz, q = 1, γ = 16"),
    (of_unit_vectors(released_kcl, kernel="gaussian_riesz"), "KCL, gaussian_riesz, s = 2, γ = 16"),
]
OF_OTHERS = [
    (NTXentLoss(), "SimCLR, τ = 0.5"),
    (NTXentLoss(0.07), "SimCLR, τ = 0.07"),
    (LightlyDCLLoss(), "DCL, τ = 0.1"),
    (lambda z0, z1: NTXentLoss(0.1)(z0.float(), z1.float()), "SimCLR, τ = 0.1"),
    (lambda z0, z1: float(SimCLRLoss(0.1)(z0, z1)), "SimCLR, τ = 0.1"),
    (lambda z0, z1: infonce(normalize(z0), normalize(z1), temperature=2.0), "InfoNCE, τ = 2"),
]


@pytest.mark.parametrize(("loss", "name"), OURS + RELEASED + OF_OTHERS)
def test_a_loss_is_told_with_its_settings(loss, name):
    found = identify(loss)
    assert str(found) == f"{name}, times 1.00, plus 0.00"
    assert (found.call, found.inputs) == ("f(z0, z1)", "raw embeddings")


def test_factors_constants_and_sums_are_told():
    found = identify(lambda z0, z1: 3 - 0.6 * SimCLRLoss(0.5)(z0, z1))
    assert str(found) == "SimCLR, τ = 0.5, times -0.60, plus 3.00"
    found = identify(lambda z0, z1: 2 * len(z0) * SimCLRLoss(0.5)(z0, z1))
    assert str(found) == "SimCLR, τ = 0.5, summed over the anchors, times 2.00, plus 0.00"
    found = identify(lambda z0, z1: 0.001 * SimCLRLoss(0.5)(z0, z1))
    assert str(found) == "SimCLR, τ = 0.5, times 0.001, plus 0.00"


def test_batches_of_one_size_are_enough_for_a_loss_that_takes_no_other():
    def of_sixteen(z0, z1):
        assert len(z0) == 16
        return SimCLRLoss(0.5)(z0, z1)

    assert str(identify(of_sixteen, batch_sizes=[16])) == "SimCLR, τ = 0.5, times 1.00, plus 0.00"
    with pytest.raises(ValueError, match="AssertionError"):
        identify(of_sixteen)


def stacked(z):
    assert len(z) % 2 == 0
    return SimCLRLoss(0.5)(*z.chunk(2))


@pytest.mark.parametrize(
    ("loss", "name", "call", "inputs"),
    [
        (stacked, "SimCLR, τ = 0.5, times 1.00", "f(cat([z0, z1]))", "raw embeddings"),
        (supervised_contrastive, "SimCLR, τ = 0.1, times 1.43", "f(stack([z0, z1], dim=1))", "raw embeddings"),
        (dhel, "DHEL, sum, τ = 0.3, times 1.00", "f(z0, z1)", "unit vectors"),
        (lambda u, v: dhel(u, v, 0.05), "DHEL, sum, τ = 0.05, times 1.00", "f(z0, z1)", "unit vectors"),
    ],
)
def test_it_is_called_as_it_wants_to_be(loss, name, call, inputs):
    found = identify(loss)
    assert str(found) == f"{name}, plus 0.00"
    assert (found.call, found.inputs) == (call, inputs)


def of_float32_alone(z0, z1):
    layer = torch.nn.Linear(8, 8)
    torch.nn.init.eye_(layer.weight), torch.nn.init.zeros_(layer.bias)
    return SimCLRLoss(0.5)(layer(z0), layer(z1))


def constant_but_for_one_tensor(z, other=None):
    return torch.zeros(()) if other is not None else stacked(z)


@pytest.mark.parametrize("loss", [of_float32_alone, constant_but_for_one_tensor])
def test_what_fails_in_one_way_is_tried_in_the_others(loss):
    assert str(identify(loss)) == "SimCLR, τ = 0.5, times 1.00, plus 0.00"


def two_temperatures(z0, z1):
    within, across, _ = exponentials(z0, z1, 0.3)
    positive = exponentials(z0, z1, 0.5)[1].diagonal()
    return -(positive / (positive + off_diagonal(across) + off_diagonal(within))).log().mean()


def positives_left_in(z0, z1):
    """DHEL with each view's own point in its denominator."""
    within, across, within_v = exponentials(z0, z1, 0.3)
    return (within.sum(dim=1).log() + within_v.sum(dim=1).log() - across.diagonal().log()).mean()


def positive_in_the_denominator(z0, z1):
    within, across, _ = exponentials(z0, z1, 0.3)
    return ((off_diagonal(within) + across.diagonal()).log() - across.diagonal().log()).mean()


def sum_inside_the_logarithm(z0, z1):
    within, across, within_v = exponentials(z0, z1, 0.3)
    return ((off_diagonal(within) + off_diagonal(within_v)).log() - across.diagonal().log()).mean()


def mean_of_exponentials_of_all_pairs(z0, z1):
    """The uniformity loss of Wang and Isola instead of a mean of logarithms."""
    within, across, _ = exponentials(z0, z1, 0.3)
    return off_diagonal(within).mean().log() - across.diagonal().log().mean()


NEAR_MISSES = [
    two_temperatures,
    positives_left_in,
    positive_in_the_denominator,
    sum_inside_the_logarithm,
    mean_of_exponentials_of_all_pairs,
    SimCLRLoss(0.5, energy_weight=2),
]


@pytest.mark.parametrize("loss", NEAR_MISSES)
def test_a_near_miss_is_none_of_them(loss):
    found = identify(loss)
    assert str(found).startswith("none of these; nearest ")
    assert found.deviation > 1e-3
    assert f"largest deviation {found.deviation:.2%}" in str(found)


def dhel_with_the_other_views_negatives(z0, z1):
    _, across, _ = exponentials(z0, z1, 0.3)
    return ((off_diagonal(across)).log() - across.diagonal().log()).mean()


def called_dhel_but_dcl(z0, z1):
    within, across, _ = exponentials(z0, z1, 0.3)
    return ((off_diagonal(across) + off_diagonal(within)).log() - across.diagonal().log()).mean()


def test_cross_view_negatives_in_dhel_are_told():
    assert str(identify(dhel_with_the_other_views_negatives)).startswith("none of these")
    assert str(identify(called_dhel_but_dcl)) == "DCL, anchors of z0 alone, τ = 0.3, times 1.00, plus 0.00"


def test_another_temperature_than_the_documented_is_told():
    assert "τ = 0.6," in str(identify(lambda z0, z1: NTXentLoss(0.6)(z0, z1)))


@pytest.mark.parametrize("temperature", [0.02, 0.3, 5.0])
def test_the_formulas_written_out_once_more_are_those_of_the_losses(temperature):
    z = normalize(torch.randn(2, 1, 9, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64), dim=-1)
    terms = {name: float(sum(parts)) for name, parts in _log_sum_exp(z, temperature).items()}
    for loss in (InfoNCELoss, SimCLRLoss, DCLLoss):
        name = loss.__name__.removesuffix("Loss")
        assert terms[name] == pytest.approx(loss(temperature)(*z[:, 0]).item(), rel=1e-9)
        sides = terms[f"{name}, anchors of z0 alone"], terms[f"{name}, anchors of z1 alone"]
        assert terms[name] == pytest.approx(sum(sides) / 2, rel=1e-12)
    for form in ("sum", "mean", "anchor"):
        assert terms[f"DHEL, {form}"] == pytest.approx(dhel(*z[:, 0], temperature, form).item(), rel=1e-12)


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        (lambda z0, z1, labels: 0, "missing 1 required positional argument"),
        (lambda z0, z1: (z0 * z1).sum(dim=1), r"returns a tensor of shape \(6,\), not a scalar"),
        (lambda z0, z1: {"loss": 1.0}, "returns a dict, not a scalar"),
        (lambda z0, z1: torch.tensor(math.nan), "returns nan"),
        (lambda z0, z1: np.zeros(3), "returns a ndarray, not a scalar"),
        (lambda *views: 0.0, "returns 0 whatever the embeddings are"),
    ],
)
def test_what_is_no_loss_is_said_to_be_none(loss, said):
    with pytest.raises(ValueError, match=said):
        identify(loss)
