"""Log-sum-exp over the negatives of a large batch, in memory linear in M; `tempered` has the plain form."""

from typing import Any

import torch
from torch import Tensor

from dhel_kcl.losses.base import full_precision
from dhel_kcl.losses.blocks import Block, blocks, one_by_one, refuse_second_derivative
from dhel_kcl.losses.negatives import Negatives


def large_log_sums(z: Tensor, negatives: Negatives, bounded: bool) -> Tensor:
    """Log-sum-exp of each point's dot products with its negatives.

    For one view, z of shape (1, M, d), over z_i.z_j with j != i, shape (1, M). For two, (u, v) of shape (2, M, d), over
    u_i.v_j with j != i in the first row of the result and over v_i.u_j in the second.

    Where the dot products are `bounded`, |z_i.z_j| <= 60, nothing is subtracted from the exponents, so that one
    exponential serves its row and its column. Raises RuntimeError in the second derivative.
    """
    return _LogSums.apply(z, *negatives, bounded)[0]


class _LogSums(torch.autograd.Function):
    """Rows of the matrix are the points of z[0], columns those of z[-1], which for one view are the same.

    Returns the logarithms and, if bounded, the sums.
    """

    @staticmethod
    def forward(z: Tensor, ids: Tensor | None, mask: Tensor | None, bounded: bool) -> tuple[Tensor, Tensor]:
        negatives = Negatives(ids, mask)
        if not bounded:
            logs = z.new_full(z.shape[:2], -torch.inf)
            for block in blocks(z.shape[1], symmetric=len(z) == 1):
                exponents = _exponents(z, block, negatives)
                for side, place, sums in (
                    (0, block.rows, exponents.logsumexp(dim=1)),
                    (-1, block.mirrored, block.mirror(exponents).logsumexp(dim=0)),
                ):
                    logs[side, place] = torch.logaddexp(logs[side, place], sums)
            return logs, logs.new_empty(0)
        sums = z.new_zeros(z.shape[:2])
        for block in blocks(z.shape[1], symmetric=len(z) == 1):
            exponentials = _exponents(z, block, negatives).exp_()
            sums[0, block.rows] += exponentials.sum(dim=1)
            sums[-1, block.mirrored] += block.mirror(exponentials).sum(dim=0)
        return sums.log(), sums

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        z, ids, mask, ctx.bounded = inputs
        logs, sums = output
        ctx.save_for_backward(z, ids, mask, sums if ctx.bounded else logs)
        ctx.mark_non_differentiable(sums)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor, None, None, None]:
        return _LogSumsGradient.apply(*ctx.saved_tensors, gradient, ctx.bounded), None, None, None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *arguments: Any) -> Any:
        return one_by_one(_LogSums.apply, info, in_dims, *arguments)


class _LogSumsGradient(torch.autograd.Function):
    @staticmethod
    def forward(
        z: Tensor, ids: Tensor | None, mask: Tensor | None, found: Tensor, gradient: Tensor, bounded: bool
    ) -> Tensor:
        negatives, result = Negatives(ids, mask), torch.zeros_like(z)
        scale = gradient / found if bounded else gradient
        with full_precision(z):
            for block in blocks(z.shape[1], symmetric=len(z) == 1):
                weights = _exponents(z, block, negatives)
                if bounded:
                    weights.exp_().mul_(scale[0, block.rows, None] + scale[-1, block.columns])
                else:
                    rows = (weights - found[0, block.rows, None]).exp_().mul_(scale[0, block.rows, None])
                    weights = (weights - found[-1, block.columns]).exp_().mul_(scale[-1, block.columns]).add_(rows)
                result[0, block.rows].addmm_(weights, z[-1, block.columns])
                result[-1, block.mirrored].addmm_(block.mirror(weights).T, z[0, block.rows])
        return result

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> None:
        refuse_second_derivative()

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *arguments: Any) -> Any:
        return one_by_one(_LogSumsGradient.apply, info, in_dims, *arguments)


def _exponents(z: Tensor, block: Block, negatives: Negatives) -> Tensor:
    """x_i.y_j of a block, -inf for pairs that are no negatives."""
    exponents = z[0, block.rows] @ z[-1, block.columns].T
    return block.fill(exponents, -torch.inf, negatives.excluded(block.rows, block.columns))
