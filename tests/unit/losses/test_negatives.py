"""ids and mask: which instances are negatives of each other, against loops, for small batches and in blocks."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dhel_kcl.losses import blocks
from dhel_kcl.losses.dhel_loss import dhel
from dhel_kcl.losses.negatives import Negatives
from tests.unit.losses.test_losses import CASES, GAMMA, KERNELED, PROPERTY, TEMPERED, build, dot, squared_distance
from tests.unit.losses.test_losses import two_views as views_of

LARGE = pytest.mark.parametrize("large", [False, True], ids=["plain", "blocks"])
TAU, W = 0.3, 1.5


@pytest.fixture
def sized(monkeypatch):
    """Function that has batches computed plainly, or in blocks of 3 x 4."""

    def choose(large):
        monkeypatch.setattr(blocks, "LARGEST_PLAIN", 1 if large else 10**9)
        monkeypatch.setattr(blocks, "ROWS", 3)
        monkeypatch.setattr(blocks, "COLUMNS", 4)

    return choose


def sum_of_exponentials(x, others, keep, i):
    return sum(math.exp(dot(x, y) / TAU) for j, y in enumerate(others) if j != i and keep[i][j])


def anchor(case, u, v, keep, i):
    within, across = sum_of_exponentials(u[i], u, keep, i), sum_of_exponentials(u[i], v, keep, i)
    negatives = {"infonce": across, "simclr": within + across, "dcl": within + across}.get(case, within)
    decoupled = -dot(u[i], v[i]) / TAU + W * math.log(negatives)
    return math.log1p(math.exp(decoupled)) if case in ("infonce", "simclr") else decoupled


def loops(case, u, v, keep):
    u, v, keep, size = u.tolist(), v.tolist(), keep.tolist(), len(u)
    if case in TEMPERED:
        first = math.fsum(anchor(case, u, v, keep, i) for i in range(size)) / size
        second = math.fsum(anchor(case, v, u, keep, i) for i in range(size)) / size
        positive = math.fsum(dot(x, y) for x, y in zip(u, v, strict=True)) / size / TAU
        return {"dhel-anchor": first, "dhel-sum": first + second + positive}.get(case, (first + second) / 2)
    alignment, energy = KERNELED[case][2:]
    pairs = [(i, j) for i in range(size) for j in range(i) if keep[i][j]]
    energies = [math.fsum(energy(squared_distance(z[i], z[j])) for i, j in pairs) / len(pairs) for z in (u, v)]
    aligned = math.fsum(alignment(squared_distance(x, y)) for x, y in zip(u, v, strict=True)) / size
    return -2 * aligned + GAMMA * sum(energies)


def symmetric(size, seed, share=0.6):
    """A mask with a True in every row, and False or True on its diagonal."""
    upper = torch.rand(size, size, generator=torch.Generator().manual_seed(seed)) < share
    mask = upper.triu(1) | upper.triu(1).T
    ring = torch.eye(size, dtype=torch.bool).roll(1, 0)
    return mask | ring | ring.T | upper.diagonal().diag()


IDS = torch.tensor([3, 5, 3, 7, 5, 5, 9, 9])


@LARGE
@pytest.mark.parametrize("case", CASES)
def test_mask_and_ids_equal_loops(case, large, sized):
    sized(large)
    u, v = views_of(8, 4)
    loss, mask = build(case, TAU, W), symmetric(8, seed=1)
    assert loss(u, v, mask=mask).item() == pytest.approx(loops(case, u, v, mask), rel=1e-11)
    distinct = IDS[:, None] != IDS
    assert loss(u, v, ids=IDS).item() == pytest.approx(loops(case, u, v, distinct), rel=1e-11)
    assert loss(u, v, ids=IDS) != loss(u, v)


@LARGE
@pytest.mark.parametrize("case", CASES)
def test_all_negatives_are_what_is_without_a_mask(case, large, sized):
    sized(large)
    u, v = views_of(8, 4)
    loss = build(case, TAU, W)
    for kept in ({"mask": torch.ones(8, 8, dtype=torch.bool)}, {"ids": torch.arange(8)}):
        assert loss(u, v, **kept).item() == pytest.approx(loss(u, v).item(), rel=1e-13)
    diagonal = torch.eye(8, dtype=torch.bool)
    mask = symmetric(8, seed=1)
    assert torch.equal(loss(u, v, mask=mask | diagonal), loss(u, v, mask=mask & ~diagonal))


@LARGE
@pytest.mark.parametrize("case", [*TEMPERED, "gaussian", "riesz-q=1.5", "gaussian_riesz"])
def test_gradients_with_a_mask(case, large, sized):
    sized(large)
    u, v = (z.requires_grad_() for z in views_of(7, 3))
    for kept in ({"mask": symmetric(7, seed=2)}, {"ids": IDS[:7]}):
        assert torch.autograd.gradcheck(lambda u, v, kept=kept: build(case, TAU, W)(u, v, **kept), (u, v))


@PROPERTY
@given(st.lists(st.integers(0, 3), min_size=2, max_size=9), st.sampled_from(CASES))
def test_ids_are_the_mask_of_different_ids(ids, case):
    ids = torch.tensor(ids)
    u, v = views_of(len(ids), 3)
    loss = build(case, TAU, W)
    if (ids == ids[0]).all():
        with pytest.raises(ValueError, match="row 0 of ids has no negative"):
            loss(u, v, ids=ids)
    else:
        found = loss(u, v, ids=ids).item()
        assert found == pytest.approx(loss(u, v, mask=ids[:, None] != ids).item(), rel=1e-12)
        assert Negatives(ids=ids).pairs(u) == (ids[:, None] != ids).triu(1).sum()


@LARGE
@pytest.mark.parametrize("case", ["gaussian_riesz", "riesz"])
def test_duplicates_that_are_left_out_may_coincide(case, large, sized):
    """Infinite energies of pairs that don't count leave no trace."""
    sized(large)
    u, v = views_of(8, 4)
    u, v = u[IDS % 5].requires_grad_(), v[IDS % 5].requires_grad_()  # equal ids, equal points
    loss = build(case)
    value = loss(u, v, ids=IDS % 5)
    assert value.item() == pytest.approx(loops(case, u.detach(), v.detach(), (IDS % 5)[:, None] != IDS % 5), rel=1e-11)
    assert all(gradient.isfinite().all() for gradient in torch.autograd.grad(value, (u, v)))


@LARGE
def test_coincident_points_have_infinite_energy_and_a_finite_gradient(large, sized):
    sized(large)
    u, v = views_of(8, 4)
    u[1] = u[0]
    u.requires_grad_()
    value = build("gaussian_riesz")(u, v)
    assert value.item() == math.inf
    (gradient,) = torch.autograd.grad(value, u)
    assert gradient.isfinite().all()
    assert gradient.abs().sum() > 0


def asymmetric(size):
    mask = torch.ones(size, size, dtype=torch.bool)
    mask[1, 2] = False
    return mask


def without_row(size):
    mask = torch.ones(size, size, dtype=torch.bool)
    mask[2], mask[:, 2] = False, False
    mask[2, 2] = True  # the diagonal is no negative
    return mask


WRONG = [
    (
        {"mask": torch.ones(4, 3, dtype=torch.bool)},
        r"mask must be bool of shape \(4, 4\); got torch.bool of .*\(4, 3\)",
    ),
    ({"mask": torch.ones(4, 4)}, "mask must be bool of shape .*got torch.float32"),
    (
        {"ids": torch.zeros(3, dtype=torch.long)},
        r"ids must be integers of shape \(4,\); got torch.int64 of shape \(3,\)",
    ),
    ({"ids": torch.zeros(4)}, "ids must be integers .*got torch.float32"),
    ({"ids": [0, 1, 2, 3]}, "ids must be integers .*in a tensor; got list"),
    (
        {"mask": torch.ones(4, 4, dtype=torch.bool, device="meta")},
        "mask must be on the embeddings' device cpu; got meta",
    ),
    ({"ids": torch.arange(4), "mask": torch.ones(4, 4, dtype=torch.bool)}, "pass one of them"),
]
WRONG_VALUES = [
    ({"mask": asymmetric(4)}, r"mask must be symmetric; mask\[1, 2\] is False, mask\[2, 1\] is not"),
    ({"mask": without_row(4)}, "row 2 of mask has no negative"),
    ({"ids": torch.full((4,), 6)}, "row 0 of ids has no negative: all ids are 6"),
]


@pytest.mark.parametrize(("kept", "message"), [*WRONG, *WRONG_VALUES])
def test_what_is_no_mask_and_no_ids_is_refused(kept, message):
    u, v = views_of(4, 5)
    for case in ("infonce", "simclr", "dcl", "dhel-sum", "gaussian"):
        with pytest.raises(ValueError, match=message):
            build(case)(u, v, **kept)
    with pytest.raises(ValueError, match=message):
        dhel(u, v, **kept)


@LARGE
@pytest.mark.parametrize(("kept", "message"), WRONG_VALUES)
@pytest.mark.parametrize("case", ["infonce", "simclr", "dcl", "dhel-sum", "gaussian", "gaussian_riesz"])
def test_without_a_look_at_values_the_loss_is_nan_and_check_says_why(case, kept, message, large, sized, monkeypatch):
    sized(large)
    monkeypatch.setattr("dhel_kcl.losses.base.may_read", lambda value: False)
    u, v = views_of(4, 5)
    loss = build(case)
    assert loss(u, v, **kept).isnan()
    with pytest.raises(ValueError, match=message):
        loss.check(u, v, **kept)


@pytest.mark.parametrize("case", CASES)
def test_no_least_value_is_known_with_a_mask(case):
    loss = build(case)
    assert loss.minimum(5, 4) is not None
    assert loss.minimum(5, 4, mask=symmetric(5, seed=0)) is loss.minimum(5, 4, ids=torch.arange(5)) is None
