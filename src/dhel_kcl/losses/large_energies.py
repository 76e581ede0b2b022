"""Kernel energy of a large batch, in memory linear in M, and its gradient. `kcl_loss` has the plain form."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from dhel_kcl.kernels.base import Kernel
from dhel_kcl.kernels.parameters import Number, traced
from dhel_kcl.losses.blocks import Block, blocks, one_by_one, refuse_second_derivative
from dhel_kcl.losses.negatives import Negatives

COINCIDENT = 1e-13
"""Squared distances below this, in float64, are rounding errors of equal points."""


def large_energy(z: Tensor, kernel: Kernel, negatives: Negatives) -> Tensor:
    """sum K_U(||z_i - z_j||^2) over the pairs i < j of z, shape (M, d), that are negatives of each other, a scalar.

    Raises RuntimeError in the second derivative.
    """
    numbers = kernel.numbers()
    differentiate = None
    if torch.is_grad_enabled() and any(isinstance(x, Tensor) and x.requires_grad for x in (z, *numbers)):
        differentiate = _functionally if traced() else _by_autograd
    total: Tensor = _Energy.apply(z, *negatives, kernel.formula, kernel.smooth, differentiate, *numbers)[0]
    return total


class _Energy(torch.autograd.Function):
    """Finds the gradients of points and of the kernel's parameters, if wanted, along with the sum, so that each block
    is made once; returns the sum, then the gradients."""

    @staticmethod
    def forward(
        z: Tensor,
        ids: Tensor | None,
        mask: Tensor | None,
        formula: Callable[..., Tensor],
        smooth: bool,
        differentiate: Callable[..., tuple[Tensor, tuple[Tensor, ...]]] | None,
        *numbers: Number,
    ) -> tuple[Tensor, ...]:
        negatives, distances = Negatives(ids, mask), _Distances(z, smooth)
        function, learned = _of_tensors(formula, numbers), [x for x in numbers if isinstance(x, Tensor)]
        places = [*blocks(len(z), symmetric=True)]
        totals = z.new_empty(len(places))  # small tensors of their own would split the memory that blocks leave
        gradients = [torch.zeros_like(x) for x in (z, *learned)]
        for number, block in enumerate(places):
            excluded = negatives.excluded(block.rows, block.columns)
            # Pairs that don't count get a harmless distance: a diverging kernel would give inf * 0.
            r2 = block.fill(distances.of(block), 1.0, excluded)
            weights = block.fill(_weights(r2, block), 0.0, excluded)
            if differentiate:
                values, (slopes, *of_parameters) = differentiate(function, weights, r2, *learned)
                distances.add_gradient(gradients[0], slopes, block)
                gradients[1:] = [x + y for x, y in zip(gradients[1:], of_parameters, strict=True)]
            else:
                values = function(r2, *learned)
            totals[number] = (values * weights).sum()
        total = totals.sum()
        return (total, *gradients) if differentiate else (total,)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.is_tensor = [isinstance(x, Tensor) for x in inputs[6:]]
        ctx.mark_non_differentiable(*output[1:])
        ctx.save_for_backward(*output)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        total, *found = ctx.saved_tensors
        of_points, *of_parameters = [_Gradient.apply(gradient, x, total) for x in found]
        remaining = iter(of_parameters)
        return of_points, *5 * (None,), *(next(remaining) if tensor else None for tensor in ctx.is_tensor)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *arguments: Any) -> Any:
        return one_by_one(_Energy.apply, info, in_dims, *arguments)


class _Gradient(torch.autograd.Function):
    """A factor times the gradient of a total. The total is passed for the derivative of that to be refused."""

    generate_vmap_rule = True

    @staticmethod
    def forward(factor: Tensor, found: Tensor, total: Tensor) -> Tensor:
        return factor * found

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> None:
        refuse_second_derivative()


class _Distances:
    """Squared distances of the points z, shape (M, d), a block at a time, and the gradient of a sum over them."""

    def __init__(self, z: Tensor, smooth: bool) -> None:
        """smooth: whether rounding errors of 1e-7 don't matter; else they are made in float64, or, on a device that
        has none, from differences, which takes ten times as long."""
        # Centred, rounding errors are relative to the spread of the points; but to centre has one of its own.
        self.smooth, self.centred, exact = smooth, z - z.mean(dim=0), None if smooth else in_float64(z)
        self.by_products = smooth or exact is not None
        self.points = self.centred if smooth else z if exact is None else exact
        self.squares = self.points.square().sum(dim=1)

    def of(self, block: Block) -> Tensor:
        x, y = self.points[block.rows], self.points[block.columns]
        if not self.by_products:
            return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").square_()
        products = torch.addmm(self.squares[block.columns], x, y.T, alpha=-2)
        r2 = products.add_(self.squares[block.rows, None]).to(self.centred.dtype)
        return r2.clamp_(min=0) if self.smooth else torch.threshold_(r2, COINCIDENT, 0.0)

    def add_gradient(self, gradient: Tensor, slopes: Tensor, block: Block) -> None:
        """Add sum_j 2 K'(r_ij^2) (z_i - z_j) over the pairs of one block, for slopes that have its weights."""
        z, slopes = self.centred, 2 * slopes
        block.not_mirrored(slopes).mul_(2)
        gradient[block.rows] += slopes.sum(dim=1, keepdim=True) * z[block.rows]
        gradient[block.rows].addmm_(slopes, z[block.columns], alpha=-1)
        slopes = block.mirror(slopes)
        gradient[block.mirrored] += slopes.sum(dim=0)[:, None] * z[block.mirrored]
        gradient[block.mirrored].addmm_(slopes.T, z[block.rows], alpha=-1)


def in_float64(z: Tensor) -> Tensor | None:
    """The tensor in float64; None on a device that has none."""
    try:
        return z.double()
    except Exception:  # each kind of device has its own
        return None


def _weights(r2: Tensor, block: Block) -> Tensor:
    """1/2 for pairs that the block has twice, else 1."""
    weights = torch.ones_like(r2)
    block.not_mirrored(weights).fill_(0.5)
    return weights


def _by_autograd(
    function: Callable[..., Tensor], weights: Tensor, *inputs: Tensor
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Values of a function, and the gradients of their weighted sum."""
    # Hooks from around the loss, as those of a checkpoint, have no business in here.
    with torch.enable_grad(), saved_tensors_hooks(lambda x: x, lambda x: x):
        inputs = tuple(x.detach().requires_grad_() for x in inputs)
        values = function(*inputs)
        return values.detach(), torch.autograd.grad(values, inputs, weights)


def _functionally(
    function: Callable[..., Tensor], weights: Tensor, *inputs: Tensor
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The same where autograd can't be called: compiled, or inside torch.func."""
    values, pull, *_ = torch.func.vjp(function, *inputs)
    return values, pull(weights)


def _of_tensors(formula: Callable[..., Tensor], numbers: Sequence[Number]) -> Callable[..., Tensor]:
    """The formula as a function of r^2 and of those of its parameters that are tensors."""

    def function(r2: Tensor, *learned: Tensor) -> Tensor:
        remaining = iter(learned)
        return formula(r2, *(next(remaining) if isinstance(x, Tensor) else x for x in numbers))

    return function
