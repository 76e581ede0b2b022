"""Squared distances of the pairs of a small batch, from differences of the points, so exact near 0."""

from typing import Any

import torch
from torch import Tensor

from dhel_kcl.kernels.parameters import transformed
from dhel_kcl.losses.base import full_precision


def squared_distances(u: Tensor, v: Tensor) -> tuple[Tensor, int]:
    """||u_i - u_j||^2 for i < j, then ||v_i - v_j||^2, then ||u_i - v_i||^2, in one tensor with the number of i < j.

    u and v have shape (M, d). The gradient of coincident points is finite wherever that of the distance is.
    """
    count = len(u) * (len(u) - 1) // 2
    if torch.compiler.is_compiling() or transformed() or u.device.type not in ("cpu", "cuda"):
        return _from_differences(u, v), count
    return _Distances.apply(u, v), count


def pairs(z: Tensor) -> tuple[Tensor, Tensor]:
    """Numbers i < j of all pairs of rows, in the order of `squared_distances`."""
    i, j = torch.triu_indices(len(z), len(z), 1, device=z.device)
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
        count = len(u) * (len(u) - 1) // 2
        within_u, within_v, positives = gradient.split([count, count, len(u)])
        i, j = pairs(u)
        place = i * len(u) + j
        with full_precision(u):
            pull = 2 * positives[:, None] * (u - v)
            return _gradient(u, within_u, place) + pull, _gradient(v, within_v, place) - pull


def _gradient(z: Tensor, weights: Tensor, place: Tensor) -> Tensor:
    """sum_j 2 w_ij (z_i - z_j), of points z - z.mean(), which loses less where all are close."""
    half = weights.new_zeros(len(z) ** 2).scatter(0, place, weights).view(len(z), len(z))
    square, centred = half + half.T, z - z.mean(dim=0)
    return torch.addmm(square.sum(dim=1, keepdim=True) * centred, square, centred, beta=2, alpha=-2)
