"""Squared distances of the pairs of a small batch, from differences of the points, so exact near 0."""

from typing import Any

import torch
from torch import Tensor

from dhel_kcl.kernels.parameters import traced
from dhel_kcl.losses.base import full_precision


def squared_distances(u: Tensor, v: Tensor) -> tuple[Tensor, int]:
    """||u_i - u_j||^2 for i < j, then ||v_i - v_j||^2, then ||u_i - v_i||^2, in one tensor with the number of i < j.

    u and v have shape (M, d). The gradient of coincident points is finite wherever that of the distance is.
    """
    count = u.shape[0] * (u.shape[0] - 1) // 2
    if traced() or u.device.type not in ("cpu", "cuda"):
        return _from_differences(u, v), count
    return _Distances.apply(u, v), count


def pairs(z: Tensor) -> tuple[Tensor, Tensor]:
    """Numbers i < j of all pairs of rows, in the order of `squared_distances`."""
    i, j = torch.triu_indices(z.shape[0], z.shape[0], 1, device=z.device)
    return i, j


def _from_differences(u: Tensor, v: Tensor) -> Tensor:
    i, j = pairs(u)
    return torch.cat([(x - y).square().sum(dim=1) for x, y in ((u[i], u[j]), (v[i], v[j]), (u, v))])


class _Distances(torch.autograd.Function):
    """`_from_differences` by torch's pdist, and its gradient by products of matrices, ten times as fast.

    It has `ctx` in forward, which torch.func can't take, because `setup_context` would cost 0.1 ms a call.
    """

    @staticmethod
    def forward(ctx: Any, u: Tensor, v: Tensor) -> Tensor:
        ctx.save_for_backward(u, v)
        return torch.cat([torch.pdist(u), torch.pdist(v), torch.linalg.vector_norm(u - v, dim=1)]).square_()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        u, v = ctx.saved_tensors
        size = u.shape[0]
        count = size * (size - 1) // 2
        above = torch.ones(size, size, dtype=torch.bool, device=u.device).triu_(1)
        with full_precision(u):
            pull = (u - v).mul_(2 * gradient[2 * count :, None])
            return (
                _gradient(u, gradient[:count], above).add_(pull),
                _gradient(v, gradient[count : 2 * count], above).sub_(pull),
            )


def _gradient(z: Tensor, weights: Tensor, above: Tensor) -> Tensor:
    """sum_j 2 w_ij (z_i - z_j), for weights of the pairs above the diagonal of a matrix of all pairs."""
    upper = weights.new_zeros(above.shape).masked_scatter_(above, weights)
    square = upper + upper.T
    return torch.addmm(square.sum(dim=1, keepdim=True) * z, square, z, beta=2, alpha=-2)
