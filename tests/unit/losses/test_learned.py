"""Temperature, energy weight, gamma and the kernels' parameters as tensors that are learned."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.func import functional_call

from dhel_kcl.kernels.gaussian import GaussianKernel
from dhel_kcl.losses import blocks
from dhel_kcl.losses.dcl_loss import DCLLoss, dcl
from dhel_kcl.losses.dhel_loss import DHELLoss, dhel
from dhel_kcl.losses.infonce_loss import InfoNCELoss, infonce
from dhel_kcl.losses.kcl_loss import KCLLoss, kcl
from dhel_kcl.losses.simclr_loss import SimCLRLoss, simclr
from tests.unit.losses.test_losses import PROPERTY, noise, two_views

# What builds the loss of its learned parameters, and values of those.
LEARNED = {
    "infonce": (InfoNCELoss, {"temperature": 0.3, "energy_weight": 1.5}),
    "simclr": (SimCLRLoss, {"temperature": 0.3, "energy_weight": 1.5}),
    "dcl": (DCLLoss, {"temperature": 0.3, "energy_weight": 1.5}),
    "dhel": (DHELLoss, {"temperature": 0.3, "energy_weight": 1.5}),
    "dhel-anchor": (lambda **p: DHELLoss(form="anchor", **p), {"temperature": 0.3, "energy_weight": 1.5}),
    "dhel-mean": (lambda **p: DHELLoss(form="mean", **p), {"temperature": 0.3, "energy_weight": 1.5}),
    "gaussian": (lambda **p: KCLLoss("gaussian", **p), {"t": 2.0, "gamma": 4.0}),
    "log": (lambda **p: KCLLoss("log", released_alignment=True, **p), {"t": 2.0, "gamma": 4.0}),
    "imq": (lambda **p: KCLLoss("imq", **p), {"c": 2.0, "gamma": 4.0}),
    "riesz": (lambda **p: KCLLoss("riesz", **p), {"q": 1.0, "gamma": 4.0}),
    "gaussian_riesz": (lambda **p: KCLLoss("gaussian_riesz", **p), {"s": 2.0, "gamma": 4.0}),
}


def learned(name, dtype=torch.float64):
    build, values = LEARNED[name]
    return build(**{key: nn.Parameter(torch.tensor(value, dtype=dtype)) for key, value in values.items()})


def fixed(name):
    build, values = LEARNED[name]
    return build(**values)


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of 3 x 4 for batches of more than 5."""
    monkeypatch.setattr(blocks, "LARGEST_PLAIN", 5)
    monkeypatch.setattr(blocks, "ROWS", 3)
    monkeypatch.setattr(blocks, "COLUMNS", 4)


def assert_exact(name, count, dim, seed=0):
    """Gradients by autograd against differences, of both views and of all parameters."""
    loss = learned(name)
    names, parameters = zip(*loss.named_parameters(), strict=True)
    z0, z1 = noise((count, dim), seed).requires_grad_(), noise((count, dim), seed + 1).requires_grad_()

    def value(z0, z1, *parameters):
        return functional_call(loss, dict(zip(names, parameters, strict=True)), (z0, z1))

    assert torch.autograd.gradcheck(value, (z0, z1, *parameters))


@pytest.mark.parametrize("count", [2, 5, 6, 9])
@pytest.mark.parametrize("name", LEARNED)
def test_gradients_on_both_sides_of_the_block_size(name, count, small_blocks):
    assert_exact(name, count, 3)


@PROPERTY
@given(st.sampled_from([*LEARNED]), st.integers(2, 12), st.integers(2, 5), st.integers(0, 100))
def test_gradients_of_any_size(name, count, dim, seed):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "LARGEST_PLAIN", 5)
        patch.setattr(blocks, "ROWS", 3)
        patch.setattr(blocks, "COLUMNS", 4)
        assert_exact(name, count, dim, seed)


@pytest.mark.parametrize("count", [200, 512])
@pytest.mark.parametrize("name", LEARNED)
def test_gradients_of_parameters_by_differences(name, count):
    loss = learned(name)
    views = two_views(count, 16)
    names, parameters = zip(*loss.named_parameters(), strict=True)
    gradients = torch.autograd.grad(loss(*views), parameters)
    for key, parameter, gradient in zip(names, parameters, gradients, strict=True):
        values = []
        for step in (1e-5, -1e-5):
            changed = {key: parameter.detach() + step}
            values.append(functional_call(loss, changed, views).item())
        assert gradient.item() == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-5), key


@pytest.mark.parametrize("count", [8, 300])
@pytest.mark.parametrize("name", LEARNED)
def test_value_is_that_of_the_number(name, count):
    views = two_views(count, 16)
    assert learned(name)(*views).item() == pytest.approx(fixed(name)(*views).item(), rel=1e-12)
    single = tuple(z.float() for z in views)
    value = learned(name, torch.float32)(*single)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(fixed(name)(*views).item(), rel=1e-5)


@pytest.mark.parametrize("name", LEARNED)
def test_an_optimiser_finds_registered_parameters(name):
    loss = learned(name, torch.float32)
    expected = {f"kernel.{key}" if key in "tcqs" else key for key in LEARNED[name][1]}
    assert {key for key, _ in loss.named_parameters()} == set(loss.state_dict()) == expected
    assert {parameter.dtype for parameter in loss.double().parameters()} == {torch.float64}
    before = [parameter.item() for parameter in loss.parameters()]
    optimiser = torch.optim.SGD(loss.parameters(), lr=0.01)
    loss(*two_views(8, 4)).backward()
    optimiser.step()
    assert all(parameter.item() != value for parameter, value in zip(loss.parameters(), before, strict=True))
    other = learned(name)
    other.load_state_dict(loss.state_dict())
    assert torch.equal(other(*two_views(8, 4)), loss(*two_views(8, 4)))
    assert loss.minimum(4, 4) == pytest.approx(other.minimum(4, 4))
    assert not list(fixed(name).parameters()) + list(fixed(name).buffers())


def test_a_tensor_that_is_no_parameter_moves_with_the_module():
    loss = DHELLoss(torch.tensor(0.3))
    assert not list(loss.parameters())
    assert loss.double().temperature.dtype == torch.float64


@pytest.mark.parametrize("count", [8, 300])
@pytest.mark.parametrize("function", [infonce, simclr, dcl, dhel])
def test_the_logarithm_of_the_inverse_temperature_is_learned(function, count):
    """CLIP's habit, clamped."""
    u, v = two_views(count, 8)
    logit_scale = torch.tensor(math.log(1 / 0.07), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: function(u, v, 1 / x.exp().clamp(max=100)), logit_scale)


@pytest.mark.parametrize("count", [8, 300])
def test_the_kernel_of_the_function_is_learned(count):
    u, v = two_views(count, 8)
    t = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: kcl(u, v, GaussianKernel(t)), t)


@pytest.mark.parametrize("name", LEARNED)
@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_a_learned_value_out_of_range_is_refused(name, value, monkeypatch):
    build, values = LEARNED[name]
    for key in values:
        with pytest.raises(ValueError, match=f"(?s){'0 < q < 2' if key == 'q' else key + ' must be'}.*got {value}"):
            build(**{key: torch.tensor(value)})
    for key in values:  # it goes there while it is learned
        loss, views = learned(name), two_views(8, 4)
        dict(loss.named_parameters())[f"kernel.{key}" if key in "tcqs" else key].data.fill_(value)
        with pytest.raises(ValueError, match=f"{key} must be"):
            loss(*views)
        with monkeypatch.context() as patch:
            patch.setattr("dhel_kcl.losses.base.may_read", lambda value: False)
            assert loss(*views).isnan()
        with pytest.raises(ValueError, match=f"{key} must be"):
            loss.check(*views)


@pytest.mark.parametrize("value", [torch.tensor([0.3]), torch.ones(2, 2), torch.tensor(1), torch.tensor(1j)])
def test_what_cannot_be_learned_is_refused(value):
    u, v = two_views(4, 3)
    for build in (
        lambda: DHELLoss(value),
        lambda: DHELLoss(energy_weight=value),
        lambda: dhel(u, v, value),
        lambda: KCLLoss(gamma=value),
        lambda: KCLLoss("riesz", q=value),
        lambda: GaussianKernel(value),
    ):
        with pytest.raises(
            ValueError, match=r"must be a number or a floating-point tensor of shape \(\); got a tensor"
        ):
            build()
    with pytest.raises(ValueError, match="released_alignment must be True or False"):
        KCLLoss("log", released_alignment=nn.Parameter(torch.tensor(1.0)))
    with pytest.raises(ValueError, match="unknown DHEL form"):
        DHELLoss(form=nn.Parameter(torch.tensor(1.0)))


@pytest.mark.parametrize("name", LEARNED)
def test_parameters_of_half_precision_are_computed_with_in_float32(name):
    views = noise((6, 4), 0).float(), noise((6, 4), 1).float()
    loss = learned(name).bfloat16()
    rounded = {key: parameter.item() for key, parameter in loss.named_parameters()}
    exact = learned(name, torch.float32)
    exact.load_state_dict({key: torch.tensor(value) for key, value in rounded.items()})
    assert torch.equal(loss(*views), exact(*views))


@pytest.mark.parametrize("value", ["0.3", None, True, [0.3]])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(ValueError, match="temperature must be a number or a floating-point tensor"):
        DHELLoss(value)
    with pytest.raises(ValueError, match="t must be a number or a floating-point tensor"):
        GaussianKernel(value)
