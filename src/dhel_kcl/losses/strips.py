"""Sums over all pairs of a large batch in memory linear in M, and their gradients.

The M x M matrix is made in strips of `ROWS` rows, each forgotten after use. Within a view it is symmetric: a strip
starts at its diagonal block, and what is right of that block counts for its rows and for its columns, which saves half
of the products. `negatives` and `kcl` have the plain forms.
"""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from dhel_kcl.kernels.base import Kernel

ROWS = 256
"""Height of a strip, which takes 1 kB of memory for each of the M instances in float32."""
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


class _LogSums(torch.autograd.Function):
    """Rows of the matrix are the points of z[0], columns those of z[-1], which for one view are the same.

    Nothing is subtracted from the exponents, so that one exponential serves its row and its column.
    """

    @staticmethod
    def forward(ctx: Any, z: Tensor, temperature: float) -> Tensor:
        sums = z.new_zeros(z.shape[:2])
        for start, stop, first, mirrored in _strips(z):
            exponentials = _exponentials(z, temperature, start, stop, first)
            sums[0, start:stop] += exponentials.sum(dim=1)
            sums[-1, mirrored:] += exponentials[:, mirrored - first :].sum(dim=0)
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
            for start, stop, first, mirrored in _strips(z):
                weights = _exponentials(z, ctx.temperature, start, stop, first)
                weights *= scale[0, start:stop, None] + scale[-1, first:]
                result[0, start:stop].addmm_(weights, z[-1, first:])
                result[-1, mirrored:].addmm_(weights[:, mirrored - first :].T, z[0, start:stop])
        return result, None


def _exponentials(z: Tensor, temperature: float, start: int, stop: int, first: int) -> Tensor:
    """exp(x_i.y_j / tau), 0 for i = j, for rows i from start to stop and columns j from first on."""
    # exp2 is three times as fast as exp where both were measured.
    result = (z[0, start:stop] / (temperature * math.log(2))) @ z[-1, first:].T
    result.exp2_().diagonal(start - first).zero_()
    return result


class _EnergySum(torch.autograd.Function):
    """Finds the gradient along with the sum, so that each strip is made once."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, kernel: Kernel) -> Tensor:
        wanted = ctx.needs_input_grad[0]
        exact = z.double()
        squares, ones = exact.square().sum(dim=1, keepdim=True), exact.new_ones(len(z), 1)
        left, right = torch.cat([-2 * exact, squares, ones], dim=1), torch.cat([exact, ones, squares], dim=1)
        total, gradient = exact.new_zeros(()), torch.zeros_like(z)
        for start, stop, _, _ in _strips(z[None]):
            # In float64, as the plain form says.
            distances = torch.threshold_((left[start:stop] @ right[start:].T).to(z.dtype), COINCIDENT, 0.0)
            distances.fill_diagonal_(1.0)
            with torch.set_grad_enabled(wanted):
                values = kernel.energy(distances.requires_grad_(wanted))
                if wanted:
                    _add_gradient(gradient, z, torch.autograd.grad(values.sum(), distances)[0], start, stop)
            values = values.detach().fill_diagonal_(0.0)
            within, beyond = values.split([stop - start, len(z) - stop], dim=1)
            total += within.sum() / 2 + beyond.sum()
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        _refuse_second_derivative()
        return gradient * ctx.saved_tensors[0], None


@torch.no_grad()
def _add_gradient(gradient: Tensor, z: Tensor, slopes: Tensor, start: int, stop: int) -> None:
    """Add sum_j 2 K'(r_ij^2) (z_i - z_j) for the pairs of one strip."""
    slopes = 2 * slopes.fill_diagonal_(0.0)
    gradient[start:stop] += slopes.sum(dim=1, keepdim=True) * z[start:stop]
    gradient[start:stop].addmm_(slopes, z[start:], alpha=-1)
    mirrored = slopes[:, stop - start :]
    gradient[stop:] += mirrored.sum(dim=0)[:, None] * z[stop:]
    gradient[stop:].addmm_(mirrored.T, z[start:stop], alpha=-1)


def _refuse_second_derivative() -> None:
    # `once_differentiable` would be silent here: it takes the gradient for a constant where the one passed in is one.
    if torch.is_grad_enabled():
        raise RuntimeError("the loss of a large batch has no second derivative: call backward without create_graph")


def _strips(z: Tensor) -> Iterator[tuple[int, int, int, int]]:
    """Rows from `start` to `stop` with columns from `first` on, those from `mirrored` on counting for columns too."""
    views, count, _ = z.shape
    for start in range(0, count, ROWS):
        stop = min(start + ROWS, count)
        yield (start, stop, start, stop) if views == 1 else (start, stop, 0, 0)
