"""Losses of large batches, computed in blocks, against the plain forms of small ones."""

from weakref import WeakSet

import pytest
import torch
from torch import distributed
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from dhel_kcl.losses import blocks, kcl_loss, negatives
from dhel_kcl.losses.dhel_loss import DHELLoss, dhel
from dhel_kcl.losses.simclr_loss import SimCLRLoss
from tests.unit.losses.test_losses import (
    CASES,
    FINITE,
    KINDS,
    TEMPERED,
    assert_precise,
    build,
    noise,
    points,
    two_views,
)


@pytest.fixture
def plain(monkeypatch):
    """Call to have every batch computed in the plain form from then on."""

    def switch():
        for module in (negatives, kcl_loss):
            monkeypatch.setattr(module, "LARGEST_PLAIN", 10**9)

    return switch


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of 7 x 9 for every batch."""
    monkeypatch.setattr(blocks, "ROWS", 7)
    monkeypatch.setattr(blocks, "COLUMNS", 9)
    for module in (negatives, kcl_loss):
        monkeypatch.setattr(module, "LARGEST_PLAIN", 1)


def value_and_gradients(loss, *views):
    leaves = [z.detach().clone().requires_grad_() for z in views]
    value = loss(*leaves)
    return value.detach(), *torch.autograd.grad(value, leaves)


def assert_equal(found, expected, **tolerance):
    for x, y in zip(found, expected, strict=True):
        if tolerance:
            torch.testing.assert_close(x, y, **tolerance)
        else:
            assert torch.equal(x, y)


@pytest.mark.parametrize("count", [16, 64, 128, 256])
@pytest.mark.parametrize("case", CASES)
def test_small_batches_have_the_bits_of_the_plain_form(case, count, plain):
    views = noise((2, count, 32), count, torch.float32)
    found = value_and_gradients(build(case, 0.1), *views)
    plain()
    assert_equal(found, value_and_gradients(build(case, 0.1), *views))


@pytest.mark.parametrize("count", [2, 7, 8, 30])
@pytest.mark.parametrize("case", CASES)
def test_equals_the_plain_form(case, count, small_blocks, plain):
    views = two_views(count, 5)
    settings = [(0.05, 1.0), (0.3, 2.0), (0.001, 1.0)] if case in TEMPERED else [(1.0, 1.0)]
    found = [value_and_gradients(build(case, tau, w), *views) for tau, w in settings]
    plain()
    for (tau, w), terms in zip(settings, found, strict=True):
        assert_equal(terms, value_and_gradients(build(case, tau, w), *views), rtol=1e-10, atol=1e-12 / tau)


@pytest.mark.parametrize("case", CASES)
def test_large_batch_equals_the_plain_form(case, plain):
    views = two_views(600, 24)
    found = value_and_gradients(build(case, 0.1), *views)
    plain()
    assert_equal(found, value_and_gradients(build(case, 0.1), *views), rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("case", CASES)
def test_gradcheck(case, small_blocks):
    z0, z1 = noise((8, 3), 4).requires_grad_(), noise((8, 3), 5).requires_grad_()
    assert torch.autograd.gradcheck(build(case), (z0, z1))
    if case in TEMPERED:
        assert torch.autograd.gradcheck(build(case, tau=0.1, w=2.0), (z0, z1))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", FINITE)
def test_float32_is_precise(case, kind):
    """From tau = 0.01, where exponentials need float64, to 2."""
    for tau in (0.01, 0.05, 0.5, 2.0) if case in TEMPERED else (1.0,):
        assert_precise(case, *points(kind, 300, 64), tau)


@pytest.mark.parametrize("case", TEMPERED)
def test_temperature_beyond_the_range_of_float64(case, plain):
    views = two_views(300, 8)
    found = value_and_gradients(build(case, 1e-3), *views)
    plain()
    assert_equal(found, value_and_gradients(build(case, 1e-3), *views), rtol=1e-10, atol=1e-10)


def test_gradients_scaled_up_for_half_precision_are_finite():
    """At the smallest temperature that float32 exponentials serve, for opposed anchors and positives."""
    u = torch.cat([noise((150, 8), 1, torch.float32), -noise((150, 8), 1, torch.float32)])
    for loss in (DHELLoss(1 / 59), SimCLRLoss(1 / 59)):
        expected = value_and_gradients(loss, u, -u)
        found = value_and_gradients(lambda *z, loss=loss: 2.0**24 * loss(*z), u, -u)
        assert_equal([x / 2**24 for x in found], expected, rtol=1e-5, atol=1e-7)


def test_vectors_of_any_length(plain):
    u, v = (20 * z for z in two_views(300, 8))
    found = value_and_gradients(dhel, u, v)
    plain()
    assert_equal(found, value_and_gradients(dhel, u, v), rtol=1e-10, atol=1e-12)


def test_coincident_anchors_have_infinite_diverging_energy():
    u = noise((1, 8), 0).repeat(300, 1)
    assert build("gaussian_riesz")(u, u).item() == float("inf")


@pytest.mark.parametrize("case", CASES)
def test_same_bits_every_time_and_under_autocast(case):
    views = noise((2, 300, 16), 7, torch.float32)
    loss = build(case, 0.1)
    expected = value_and_gradients(loss, *views)
    assert_equal(value_and_gradients(loss, *views), expected)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert_equal(value_and_gradients(loss, *views), expected)


@pytest.mark.parametrize("case", ["dhel-sum", "dcl", "gaussian"])
def test_no_gradient_no_derivatives(case):
    u, v = two_views(300, 16)
    with torch.no_grad():
        value = build(case)(u, v)
    assert not value.requires_grad
    assert torch.equal(value, value_and_gradients(build(case), u, v)[0])
    one_sided = u.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(build(case)(one_sided, v), one_sided)
    torch.testing.assert_close(gradient, value_and_gradients(build(case), u, v)[1], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("case", ["dhel-sum", "dcl", "gaussian"])
def test_second_derivative_is_refused(case):
    u, v = (z.requires_grad_() for z in two_views(300, 8))
    with pytest.raises(RuntimeError, match="no second derivative"):
        torch.autograd.grad(build(case)(u, v), u, create_graph=True)


@pytest.mark.parametrize("case", ["simclr", "dhel-sum", "gaussian"])
def test_gather(case, tmp_path):
    views = noise((2, 300, 16), 7, torch.float32)
    loss = build(case)
    expected = value_and_gradients(loss, *views)
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        loss.gather = True
        assert_equal(value_and_gradients(loss, *views), expected)
    finally:
        distributed.destroy_process_group()


class Largest(TorchDispatchMode):
    """Bytes of the largest tensor that any operation returns."""

    nbytes = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        sizes = [x.untyped_storage().nbytes() for x in tree_leaves(result) if isinstance(x, torch.Tensor)]
        self.nbytes = max(self.nbytes, *sizes, 0)
        return result


class Kept:
    """A tensor that backward needs."""

    def __init__(self, tensor):
        self.tensor = tensor


@pytest.mark.parametrize("case", CASES)
def test_memory_is_linear(case):
    """No tensor beyond a block in float64, and nothing beyond the size of the embeddings kept for backward."""
    count, dim = 6000, 8
    views = noise((2, count, dim), 3, torch.float32).requires_grad_()
    kept = WeakSet()

    def keep(tensor):
        kept.add(packed := Kept(tensor))
        return packed

    with Largest() as largest:
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda packed: packed.tensor):
            value = build(case)(*views)
        storages = {storage.data_ptr(): storage.nbytes() for x in kept if (storage := x.tensor.untyped_storage())}
        value.backward()
    assert largest.nbytes <= 8 * blocks.ROWS * blocks.COLUMNS
    assert 0 < sum(storages.values()) <= 25 * views.untyped_storage().nbytes()
