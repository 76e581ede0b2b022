"""How a loss is called, what it shows of itself, and what it says of a wrong call."""

import inspect

import numpy as np
import pytest
import torch
from torch import nn

from dhel_kcl import losses
from dhel_kcl.kernels.imq import IMQKernel
from dhel_kcl.losses.dcl_loss import DCLLoss
from dhel_kcl.losses.dhel_loss import DHELLoss, dhel
from dhel_kcl.losses.infonce_loss import InfoNCELoss
from dhel_kcl.losses.kcl_loss import KCLLoss, kcl
from dhel_kcl.losses.simclr_loss import SimCLRLoss
from dhel_kcl.registry import KERNELS, LOSSES, resolve
from tests.unit.losses.test_losses import CASES, build, noise, two_views


@pytest.mark.parametrize("case", CASES)
def test_both_views_in_one_tensor(case):
    z0, z1 = noise((2, 6, 4), 1)
    stacked = torch.cat([z0, z1]).requires_grad_()
    loss, ids = build(case), torch.tensor([0, 0, 1, 2, 3, 4])
    assert torch.equal(loss(stacked), loss(z0, z1))
    assert torch.equal(loss(stacked, ids=ids), loss(z0, z1, ids=ids))
    (gradient,) = torch.autograd.grad(loss(stacked), stacked)
    leaves = z0.requires_grad_(), z1.requires_grad_()
    assert torch.equal(gradient, torch.cat(torch.autograd.grad(loss(*leaves), leaves)))


@pytest.mark.parametrize("shape", [(5, 3), (8,), (2, 4, 3)])
def test_one_tensor_of_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"needs shape \(2M, d\); got \("):
        DHELLoss()(torch.ones(shape))


def test_views_of_two_types_are_computed_in_the_wider_one():
    u, v = two_views(5, 4)
    assert DHELLoss()(u, v.half()).dtype == torch.float64
    assert DHELLoss()(u.bfloat16(), v.half()).dtype == torch.float32


@pytest.mark.parametrize("loss", [DHELLoss(), KCLLoss(), lambda u, v: dhel(u, v)])
@pytest.mark.parametrize(
    ("views", "message"),
    [
        ((torch.ones(4, 0), torch.ones(4, 0)), r"at least d = 1 dimension; got shape \(4, 0\)"),
        ((np.ones((4, 3)), np.ones((4, 3))), "must be tensors; got ndarray and ndarray"),
        ((torch.ones(4, 3, dtype=torch.complex64), torch.ones(4, 3)), "floating point; got torch.complex64"),
        ((torch.ones(4, 3), torch.ones(4, 3, dtype=torch.int32)), "floating point; got torch.float32 and torch.int32"),
        ((torch.ones(4, 3), torch.ones(4, 3, device="meta")), "the same device; got cpu and meta"),
    ],
)
def test_wrong_views_are_refused(loss, views, message):
    with pytest.raises(ValueError, match=message):
        loss(*views)


@pytest.mark.parametrize("length", [0.5, 3.0])
def test_functions_take_unit_vectors(length):
    u, v = two_views(5, 4)
    u[3] *= length
    with pytest.raises(
        ValueError, match=f"row 3 of u has length {length:g}, but must be a unit vector.*the loss's mod"
    ):
        dhel(u, v)
    with pytest.raises(ValueError, match="row 3 of v has length"):
        kcl(v, u, IMQKernel())
    half, other = (x.bfloat16() for x in two_views(100, 64))
    assert dhel(half, other).isfinite()


def test_repr_shows_every_hyperparameter():
    assert repr(DHELLoss()) == "DHELLoss(gather=False, temperature=0.3, energy_weight=1.0, form='sum')"
    assert repr(SimCLRLoss(0.1, gather=True)) == "SimCLRLoss(gather=True, temperature=0.1, energy_weight=1.0)"
    assert "temperature=Parameter(0.07), energy_weight=1.0" in repr(InfoNCELoss(nn.Parameter(torch.tensor(0.07))))
    assert "energy_weight=Tensor(2)" in repr(DCLLoss(energy_weight=torch.tensor(2.0)))
    assert repr(KCLLoss("log", t=3.0)) == (
        "KCLLoss(\n  gather=False, gamma=16.0\n  (kernel): LogKernel(t=3.0, released_alignment=False)\n)"
    )


@pytest.mark.parametrize("name", LOSSES)
def test_repr_and_docstring_name_every_argument(name):
    module, function = resolve("loss", name), getattr(losses, name)
    for described in (module, function, module.forward, module.check):
        text = f"{inspect.getdoc(described)}\n{inspect.getdoc(module.forward)}"
        for argument in inspect.signature(described).parameters:
            if argument != "self":
                assert f"    {argument}: " in text, (described, argument)
    text = repr(module())
    for argument in inspect.signature(module).parameters:
        assert argument in text or argument == "kernel_parameters"


@pytest.mark.parametrize("name", KERNELS)
def test_unknown_parameters_of_a_kernel_are_refused_and_the_allowed_ones_given(name):
    allowed = ", ".join(inspect.signature(resolve("kernel", name)).parameters)
    with pytest.raises(ValueError, match=f"unknown parameter 'sigma' of the kernel {name}; allowed: {allowed}$"):
        KCLLoss(name, sigma=2)


def test_unknown_kernels_are_refused_and_the_allowed_ones_given():
    with pytest.raises(ValueError, match="unknown kernel 'rbf'; allowed: gaussian, log, imq, riesz, gaussian_riesz"):
        KCLLoss("rbf")
