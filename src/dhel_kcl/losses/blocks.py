"""Sums over all pairs of a large batch in memory linear in M, and their gradients.

The M x M matrix is made in blocks, each forgotten after use. Within a view it is symmetric: only blocks on and above
its diagonal are made, and what is right of the diagonal counts for its rows and for its columns, which saves half of
the products. `negatives` and `kcl` have the plain forms.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dhel_kcl.kernels.base import Kernel

ROWS, COLUMNS = 256, 4096
"""Size of a block, 4 MB in float32: wide for fast products, low for few pairs below the diagonal."""
COINCIDENT = 1e-13
"""Squared distances below this, in float64, are rounding errors of equal points."""
LARGEST_EXPONENTS = {torch.float32: 60.0, torch.float64: 600.0}
"""exp of plus or minus these, summed and multiplied by gradients, stays well inside the range of the type."""


def log_sums(z: Tensor, temperature: float) -> Tensor:
    """Log-sum-exp of each point's similarities / tau with the others.

    For one view, z of shape (1, M, d), over z_i.z_j with j != i, shape (1, M). For two, (u, v) of shape (2, M, d), over
    u_i.v_j with j != i in the first row of the result and over v_i.u_j in the second.

    Needs `largest_exponent` <= 600; above 60 it computes in float64.
    Raises RuntimeError in a backward with `create_graph`.
    """
    fits = largest_exponent(z, temperature) <= LARGEST_EXPONENTS[z.dtype]
    return _LogSums.apply(z if fits else z.double(), temperature).to(z.dtype)


def largest_exponent(z: Tensor, temperature: float) -> float:
    """Upper bound of |z_i.z_j| / tau."""
    return z.detach().square().sum(dim=-1).max().item() / temperature


def energy_sum(z: Tensor, kernel: Kernel) -> Tensor:
    """sum_{i<j} K_U(||z_i - z_j||^2) of z with shape (M, d), a scalar in float64.

    Raises RuntimeError in a backward with `create_graph`.
    """
    return _EnergySum.apply(z, kernel)


class Block(NamedTuple):
    """Rows and columns of a block, and those of its columns that count for columns, too."""

    rows: slice
    columns: slice
    mirrored: slice

    def mirror(self, block: Tensor) -> Tensor:
        """The part of a block's values that counts for columns, too."""
        return block[:, self.mirrored.start - self.columns.start :]

    def diagonal(self, block: Tensor) -> Tensor:
        """The block's values of pairs (i, i)."""
        return block.diagonal(self.rows.start - self.columns.start)


def blocks(count: int, symmetric: bool) -> Iterator[Block]:
    """All of a count x count matrix, or what is on and above the diagonal blocks of a symmetric one."""
    for start in range(0, count, ROWS):
        stop = min(start + ROWS, count)
        for first in range(start if symmetric else 0, count, COLUMNS):
            last = min(first + COLUMNS, count)
            mirrored = min(max(first, stop), last) if symmetric else first
            yield Block(slice(start, stop), slice(first, last), slice(mirrored, last))


class _LogSums(torch.autograd.Function):
    """Rows of the matrix are the points of z[0], columns those of z[-1], which for one view are the same.

    Nothing is subtracted from the exponents, so that one exponential serves its row and its column.
    """

    @staticmethod
    def forward(ctx: Any, z: Tensor, temperature: float) -> Tensor:
        sums = z.new_zeros(z.shape[:2])
        for block in blocks(z.shape[1], symmetric=len(z) == 1):
            exponentials = _exponentials(z, temperature, block)
            sums[0, block.rows] += exponentials.sum(dim=1)
            sums[-1, block.mirrored] += block.mirror(exponentials).sum(dim=0)
        ctx.save_for_backward(z, sums)
        ctx.temperature = temperature
        return sums.log()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        _refuse_second_derivative()
        z, sums = ctx.saved_tensors
        scale = gradient / (sums * ctx.temperature)
        result = torch.zeros_like(z)
        with torch.autocast(device_type=z.device.type, enabled=False):
            for block in blocks(z.shape[1], symmetric=len(z) == 1):
                weights = _exponentials(z, ctx.temperature, block)
                weights *= scale[0, block.rows, None] + scale[-1, block.columns]
                result[0, block.rows].addmm_(weights, z[-1, block.columns])
                result[-1, block.mirrored].addmm_(block.mirror(weights).T, z[0, block.rows])
        return result, None


def _exponentials(z: Tensor, temperature: float, block: Block) -> Tensor:
    """exp(x_i.y_j / tau), 0 for i = j."""
    # exp2 is three times as fast as exp on the processor that this was measured on.
    result = (z[0, block.rows] / (temperature * math.log(2))) @ z[-1, block.columns].T
    block.diagonal(result.exp2_()).zero_()
    return result


class _EnergySum(torch.autograd.Function):
    """Finds the gradient along with the sum, so that each block is made once."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, kernel: Kernel) -> Tensor:
        wanted = ctx.needs_input_grad[0]
        # r^2 = (-2 z_i, |z_i|^2, 1) . (z_j, 1, |z_j|^2), in float64 as in the plain form.
        exact = z.double()
        squares, ones = exact.square().sum(dim=1, keepdim=True), exact.new_ones(len(z), 1)
        left, right = torch.cat([-2 * exact, squares, ones], dim=1), torch.cat([exact, ones, squares], dim=1)
        total, gradient = exact.new_zeros(()), torch.zeros_like(z)
        for block in blocks(len(z), symmetric=True):
            distances = torch.threshold_((left[block.rows] @ right[block.columns].T).to(z.dtype), COINCIDENT, 0.0)
            block.diagonal(distances).fill_(1.0)
            with torch.set_grad_enabled(wanted):
                values = kernel.energy(distances.requires_grad_(wanted))
                if wanted:
                    (slopes,) = torch.autograd.grad(values.sum(), distances)
                    _add_gradient(gradient, z, slopes, block)
            values = values.detach()
            block.diagonal(values).zero_()
            beyond = block.mirror(values)
            total += beyond.sum() + values[:, : values.shape[1] - beyond.shape[1]].sum() / 2
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        _refuse_second_derivative()
        return gradient * ctx.saved_tensors[0], None


@torch.no_grad()
def _add_gradient(gradient: Tensor, z: Tensor, slopes: Tensor, block: Block) -> None:
    """Add sum_j 2 K'(r_ij^2) (z_i - z_j) over the pairs of one block."""
    slopes = 2 * slopes
    block.diagonal(slopes).zero_()
    gradient[block.rows] += slopes.sum(dim=1, keepdim=True) * z[block.rows]
    gradient[block.rows].addmm_(slopes, z[block.columns], alpha=-1)
    slopes = block.mirror(slopes)
    gradient[block.mirrored] += slopes.sum(dim=0)[:, None] * z[block.mirrored]
    gradient[block.mirrored].addmm_(slopes.T, z[block.rows], alpha=-1)


def _refuse_second_derivative() -> None:
    # `once_differentiable` would be silent here: it takes the gradient for a constant where the one passed in is one.
    if torch.is_grad_enabled():
        raise RuntimeError("the loss of a large batch has no second derivative: call backward without create_graph")
