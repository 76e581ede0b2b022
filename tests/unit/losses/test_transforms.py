"""The losses compiled, inside torch.func and on other devices: no value is looked at, and bad input gives NaN."""

import math
import warnings
from functools import partial

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, vmap
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.checkpoint import checkpoint

from dhel_kcl.losses.dhel_loss import DHELLoss
from dhel_kcl.losses.kcl_loss import KCLLoss, kcl
from tests.unit.losses.test_losses import CASES, KERNELED, TEMPERED, build, noise, points, two_views, vectorised

LARGE = pytest.mark.parametrize("large", [False, True], ids=["plain", "blocks"])
REPRESENTATIVE = ["infonce", "simclr", "dcl", "dhel-sum", "gaussian", "riesz", "gaussian_riesz"]
IDS = torch.tensor([0, 0, 1, 2, 3, 4, 4])


def value_and_gradients(function, *inputs):
    leaves = [x.detach().clone().requires_grad_() for x in inputs]
    value = function(*leaves)
    return value.detach(), *torch.autograd.grad(value, leaves)


def settings(case):
    """The loss as numbers give it, of small temperature, and with a learned parameter."""
    yield build(case, 0.3)
    if case in TEMPERED:
        yield build(case, 0.01)
        yield build(case, nn.Parameter(torch.tensor(0.3, dtype=torch.float64)))
    else:
        kernel, _, _, _ = KERNELED[case]
        parameter = {"gaussian": "t", "log": "t", "imq": "c", "riesz": "q", "gaussian_riesz": "s"}[kernel]
        yield KCLLoss(kernel, **{parameter: nn.Parameter(torch.tensor(1.0, dtype=torch.float64))})


@LARGE
@pytest.mark.parametrize("kept", [{}, {"ids": IDS}, {"mask": IDS[:, None] != IDS}], ids=["all", "ids", "mask"])
@pytest.mark.parametrize("case", REPRESENTATIVE)
def test_torch_func(case, kept, large, sized):
    sized(large)
    stack = noise((3, 2, 7, 4), 1)
    for loss in settings(case):

        def value(z0, z1, loss=loss):
            return loss(z0, z1, **kept)

        expected = [value_and_gradients(value, *views) for views in stack]
        for found, wanted in zip(grad(value, (0, 1))(*stack[0]), expected[0][1:], strict=True):
            torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-12)
        with warnings.catch_warnings(action="ignore"):  # some operation runs in a loop
            values = vmap(value)(stack[:, 0], stack[:, 1])
            gradients = vmap(grad(value))(stack[:, 0], stack[:, 1])
        torch.testing.assert_close(values.detach(), torch.stack([x[0] for x in expected]), rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(gradients, torch.stack([x[1] for x in expected]), rtol=1e-9, atol=1e-12)


@LARGE
@pytest.mark.parametrize("case", REPRESENTATIVE)
def test_torch_func_of_learned_parameters(case, large, sized):
    sized(large)
    *_, loss = settings(case)
    views, parameters = noise((2, 7, 4), 1), dict(loss.named_parameters())
    found = grad(lambda p: functional_call(loss, p, tuple(views)))({k: x.detach() for k, x in parameters.items()})
    expected = torch.autograd.grad(loss(*views), list(parameters.values()))
    torch.testing.assert_close(list(found.values()), list(expected), rtol=1e-9, atol=1e-12)


@LARGE
@pytest.mark.parametrize("case", ["dhel-sum", "gaussian"])
def test_ids_of_each_batch_in_a_stack(case, large, sized):
    sized(large)
    stack, ids = noise((2, 2, 7, 4), 1), torch.stack([IDS, IDS.flip(0)])
    loss = build(case, 0.3)
    found = vmap(lambda z, ids: loss(z[0], z[1], ids=ids))(stack, ids)
    expected = torch.stack([loss(*z, ids=own) for z, own in zip(stack, ids, strict=True)])
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=0)


def assert_one_graph(loss, kept, backend):
    """Compiled without a break, forward and backward are what they are eagerly, and NaN makes NaN."""
    views = noise((2, 7, 4), 1)
    torch._dynamo.reset()
    compiled = torch.compile(lambda z0, z1: loss(z0, z1, **kept), fullgraph=True, backend=backend)
    expected = value_and_gradients(partial(loss, **kept), *views)
    for x, y in zip(value_and_gradients(compiled, *views), expected, strict=True):
        torch.testing.assert_close(x, y, rtol=1e-9, atol=1e-12)
    assert compiled(views[0] * torch.nan, views[1]).isnan()


@LARGE
@pytest.mark.parametrize("case", ["infonce", "simclr", "dcl", "dhel-sum", "gaussian", "riesz"])
def test_compiled_in_one_graph(case, large, sized):
    sized(large)
    assert_one_graph(build(case, 0.3), {}, backend="eager")


@pytest.mark.slow
@LARGE
@pytest.mark.parametrize("case", ["simclr", "gaussian"])
def test_learned_parameters_and_ids_compiled_in_one_graph(case, large, sized):
    """Derivatives are compiled, too. Takes 3 to 10 s a case."""
    sized(large)
    assert_one_graph([*settings(case)][-1], {"ids": IDS}, backend="aot_eager")


@LARGE
@pytest.mark.parametrize("case", CASES)
def test_no_value_is_read_on_another_device(case, large, sized):
    """A meta tensor has no values, so that a look at one raises."""
    sized(large)
    for loss in settings(case):
        z0, z1 = (torch.empty(7, 4, device="meta", requires_grad=True) for _ in range(2))
        for kept in ({}, {"ids": IDS.to("meta")}, {"mask": torch.empty(7, 7, dtype=torch.bool, device="meta")}):
            value = loss.to("meta")(z0, z1, **kept)
            value.backward()
            assert (value.shape, z0.grad.shape) == ((), (7, 4))


BAD = [
    (lambda z: z * torch.tensor(torch.nan), "the first view contains NaN or infinite values, in row 0 of z0"),
    (lambda z: z.index_fill(0, torch.tensor(2), 0.0), "row 2 of z0 is the zero vector"),
    (lambda z: z.index_fill(0, torch.tensor(1), math.inf), "contains NaN or infinite values, in row 1 of z0"),
    (lambda z: z.where(z != z[3, 0], -math.inf), "contains NaN or infinite values, in row 3 of z0"),
]


@LARGE
@pytest.mark.parametrize(("spoil", "message"), BAD)
@pytest.mark.parametrize("case", CASES)
def test_bad_embeddings_give_nan_and_check_says_why(case, spoil, message, large, sized, monkeypatch):
    sized(large)
    z0, z1 = noise((2, 7, 4), 1)
    for loss in settings(case):
        with pytest.raises(ValueError, match=message):
            loss(spoil(z0), z1)
        with pytest.raises(ValueError, match=message.replace("z0", "z1").replace("first", "second")):
            loss(z1, spoil(z0))
        assert vmap(lambda z0, z1, loss=loss: loss(z0, z1))(spoil(z0)[None], z1[None]).isnan()
        with monkeypatch.context() as patch:
            patch.setattr("dhel_kcl.losses.base.may_read", lambda value: False)
            assert loss(spoil(z0), z1).isnan()
            assert loss(z1, spoil(z0)).isnan()
        with pytest.raises(ValueError, match=message):
            loss.check(spoil(z0), z1)
        assert loss.check(z0, z1) is None


@pytest.mark.parametrize("case", ["infonce", "simclr", "dcl", "dhel-anchor", "dhel-mean", "dhel-sum", *KERNELED])
def test_second_derivatives_of_small_batches(case):
    z0, z1 = noise((4, 3), 4).requires_grad_(), noise((4, 3), 5).requires_grad_()
    for loss in settings(case):
        assert torch.autograd.gradgradcheck(loss, (z0, z1))


class WithoutFloat64(TorchDispatchMode):
    """A device that has no float64: it can't make a tensor of that type."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if any(isinstance(x, torch.Tensor) and x.dtype == torch.float64 for x in tree_leaves(result)):
            raise TypeError(f"{function} wants float64, which this device does not have")
        return result


@pytest.mark.parametrize("count", [64, 300])
@pytest.mark.parametrize("kind", ["random", "aligned", "coincident", "antipodal pairs"])
@pytest.mark.parametrize("case", CASES)
def test_a_device_without_float64(case, kind, count):
    """Runs every loss forward and backward, as precisely as elsewhere."""
    if case.startswith("gaussian_riesz") and kind == "coincident":
        return
    u, v = (z.float().requires_grad_() for z in points(kind, count, 16))
    with WithoutFloat64():
        value = build(case, 0.3).terms(u, v).loss
        gradients = torch.autograd.grad(value, (u, v))
    expected = vectorised(case, u.detach(), v.detach(), 0.3)
    assert abs(value.item() - expected) <= 1e-5 * max(1, abs(expected))
    assert all(gradient.isfinite().all() for gradient in gradients)


def nearly_coincident(count, dim, distance):
    """Pairs of neighbours at a distance, whole clusters of them."""
    u, _ = two_views(count, dim)
    centres = u[: count // 4].repeat(4, 1)
    return torch.nn.functional.normalize(centres + distance * noise((count, dim), 9) / math.sqrt(dim), dim=1)


@pytest.mark.parametrize("exact", [False, True], ids=["without float64", "with float64"])
@pytest.mark.parametrize("distance", [1e-1, 1e-3, 1e-5])
@pytest.mark.parametrize("count", [64, 300])
@pytest.mark.parametrize("case", KERNELED)
def test_float32_is_as_precise_for_clusters(case, count, distance, exact):
    u, v = (nearly_coincident(count, 16, distance).float() for _ in range(2))
    if exact:
        value = build(case).terms(u, v).loss
    else:
        with WithoutFloat64():
            value = build(case).terms(u, v).loss
    expected = vectorised(case, u, v, 1.0)
    assert abs(value.item() - expected) <= 1e-5 * max(1, abs(expected))


@pytest.mark.parametrize("count", [64, 300])
@pytest.mark.parametrize("case", ["dhel-sum", "gaussian", "riesz"])
def test_inside_a_checkpoint(case, count):
    views, loss = noise((2, count, 8), 1), build(case)
    found = value_and_gradients(lambda *z: checkpoint(loss, *z, use_reentrant=False), *views)
    for x, y in zip(found, value_and_gradients(loss, *views), strict=True):
        assert torch.equal(x, y)


def test_functions_of_unit_vectors_give_nan_for_others(monkeypatch):
    u, v = two_views(5, 4)
    monkeypatch.setattr("dhel_kcl.losses.base.may_read", lambda value: False)
    for spoilt in (2 * u, u * torch.nan, u * math.inf, u * 0):
        assert kcl(spoilt, v, KCLLoss("gaussian").kernel).isnan()
        assert kcl(u, spoilt, KCLLoss("gaussian").kernel).isnan()
    assert DHELLoss()(2 * u, v).isfinite()
