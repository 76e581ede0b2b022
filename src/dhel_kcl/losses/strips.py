"""Sums over all pairs of a batch with memory linear in M, for large batches.

The M x M matrix is made in strips of `ROWS` rows, each forgotten after use. It is symmetric within a view, so a strip
starts at its diagonal block there, and what is right of that block serves rows and columns: half the products.
Backward makes the strips again. Gradients cannot be differentiated again.
"""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from dhel_kcl.kernels.base import Kernel

ROWS = 256
"""Height of a strip: it takes 1 kB of memory for each of the M instances, in float32."""
COINCIDENT = 1e-13
"""Squared distances below this, in float64, are rounding errors of equal points."""
LARGEST_EXPONENT = {torch.float32: 60.0, torch.float64: 600.0}
"""exp of up to this, plus or minus, summed and multiplied by upstream gradients stays well inside the type's range."""


def log_sums(z: Tensor, temperature: float) -> Tensor:
    """Log-sum-exp of each anchor's similarities / tau to the others, shape (1, M) or (2, M).

    Of z with shape (1, M, d) over z_i.z_j, j != i; of the two views z = (u, v), shape (2, M, d), over u_i.v_j in the
    first row and over v_i.u_j in the second.
    """
    exponentials = _LogSums.apply(z if largest_exponent(z, temperature) <= LARGEST_EXPONENT[z.dtype] else z.double(), temperature)
    return exponentials.to(z.dtype)


def largest_exponent(z: Tensor, temperature: float) -> float:
    """Upper bound of |z_i.z_j| / tau."""
    return z.detach().square().sum(dim=-1).max().item() / temperature


class _LogSums(torch.autograd.Function):
    # z[0] has the points of the rows, z[-1] those of the columns: the same for z of shape (1, M, d).
    # Nothing is subtracted from exponents, so that one exponential serves its row and its column.

    @staticmethod
    def forward(ctx: Any, z: Tensor, temperature: float) -> Tensor:
        sums = z.new_zeros(z.shape[:2])
        for start, stop, first, beyond in _strips(z):
            exponentials = _exponentials(z, temperature, start, stop, first)
            sums[0, start:stop] += exponentials.sum(dim=1)
            sums[-1, beyond:] += exponentials[:, beyond - first :].sum(dim=0)
        ctx.save_for_backward(z, sums)
        ctx.temperature = temperature
        return sums.log()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        z, sums = ctx.saved_tensors
        scale = gradient / (sums * ctx.temperature)
        result = torch.zeros_like(z)
        with torch.autocast(device_type=z.device.type, enabled=False):
            for start, stop, first, beyond in _strips(z):
                weights = _exponentials(z, ctx.temperature, start, stop, first)
                weights *= scale[0, start:stop, None] + scale[-1, first:]
                result[0, start:stop].addmm_(weights, z[-1, first:])
                result[-1, beyond:].addmm_(weights[:, beyond - first :].T, z[0, start:stop])
        return result, None


def _strips(z: Tensor) -> Iterator[tuple[int, int, int, int]]:
    """First and last row, first column, and first column that counts for the columns' points too."""
    views, count, _ = z.shape
    for start in range(0, count, ROWS):
        stop = min(start + ROWS, count)
        yield (start, stop, start, stop) if views == 1 else (start, stop, 0, 0)


def _exponentials(z: Tensor, temperature: float, start: int, stop: int, first: int) -> Tensor:
    """exp(x_i.y_j / tau) for rows from start to stop and columns from first on, 0 for i = j."""
    # exp2 is three times as fast as exp on some processors.
    result = (z[0, start:stop] / (temperature * math.log(2))) @ z[-1, first:].T
    result.exp2_().diagonal(start - first).zero_()
    return result


def energy_sum(z: Tensor, kernel: Kernel) -> Tensor:
    """sum_{i<j} K_U(||z_i - z_j||^2) of unit vectors, a scalar in float64."""
    return _EnergySum.apply(z, kernel)


class _EnergySum(torch.autograd.Function):
    # The gradient is found along with the sum, which saves making the strips twice.

    @staticmethod
    def forward(ctx: Any, z: Tensor, kernel: Kernel) -> Tensor:
        exact = z.double()
        squares, one = exact.square().sum(dim=1, keepdim=True), exact.new_ones(len(z), 1)
        left, right = torch.cat([-2 * exact, squares, one], dim=1), torch.cat([exact, one, squares], dim=1)
        total, gradient = exact.new_zeros(()), torch.zeros_like(z)
        for start, stop, _, _ in _strips(z[None]):
            height = stop - start
            distances = (left[start:stop] @ right[start:].T).to(z.dtype)
            torch.nn.functional.threshold_(distances, COINCIDENT, 0.0).fill_diagonal_(1.0)
            if ctx.needs_input_grad[0]:
                with torch.enable_grad():
                    values = kernel.energy(distances.requires_grad_())
                    (slopes,) = torch.autograd.grad(values.sum(), distances)
                slopes = slopes.mul_(2).fill_diagonal_(0.0)
                gradient[start:stop] += slopes.sum(dim=1, keepdim=True) * z[start:stop]
                gradient[start:stop].addmm_(slopes, z[start:], alpha=-1)
                slopes = slopes[:, height:]
                gradient[stop:] += slopes.sum(dim=0)[:, None] * z[stop:]
                gradient[stop:].addmm_(slopes.T, z[start:stop], alpha=-1)
            else:
                values = kernel.energy(distances)
            values = values.detach().fill_diagonal_(0.0)
            total += values[:, :height].sum() / 2 + values[:, height:].sum()
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return (gradient * ctx.saved_tensors[0]).to(ctx.saved_tensors[0].dtype), None
