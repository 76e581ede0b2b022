"""What goes into a loss: two views of one shape, their checks, and their way to the unit sphere."""

from typing import Any

import torch
from torch import Tensor

from dhel_kcl.kernels.parameters import traced

UNIT = 0.01
"""Lengths within this of 1 are unit: half precision rounds that much."""


def two_views(z0: Tensor, z1: Tensor | None) -> tuple[Tensor, Tensor]:
    """Both views (M, d) in float32 or better, from two tensors, or from one that has the views one below the other.

    Raises ValueError, without a look at the values, for other shapes, M < 2, d < 1, types that are no floating point
    and two devices.
    """
    z0, z1 = halves(z0, z1)
    check_shapes(z0, z1)
    if z0.shape[0] < 2:
        raise ValueError(f"a contrastive loss needs at least M = 2 instances for a negative; got M = {z0.shape[0]}")
    if z0.shape[1] < 1:
        raise ValueError(f"embeddings need at least d = 1 dimension; got shape {tuple(z0.shape)}")
    if not (z0.is_floating_point() and z1.is_floating_point()):
        raise ValueError(f"embeddings must be floating point; got {z0.dtype} and {z1.dtype}")
    if z0.device != z1.device:
        raise ValueError(f"both views need to be on the same device; got {z0.device} and {z1.device}")
    dtype = torch.promote_types(torch.promote_types(z0.dtype, z1.dtype), torch.float32)
    return z0.to(dtype), z1.to(dtype)


def halves(z0: Tensor, z1: Tensor | None) -> tuple[Tensor, Tensor]:
    """Two views, of which z1 may be None: then z0 has both, shape (2M, d), one below the other."""
    if not (isinstance(z0, Tensor) and (z1 is None or isinstance(z1, Tensor))):
        raise ValueError(f"embeddings must be tensors; got {type(z0).__name__} and {type(z1).__name__}")
    if z1 is not None:
        return z0, z1
    if z0.ndim != 2 or len(z0) % 2:
        raise ValueError(f"one tensor of both views needs shape (2M, d); got {tuple(z0.shape)}")
    return z0[: len(z0) // 2], z0[len(z0) // 2 :]


def check_shapes(z0: Tensor, z1: Tensor) -> None:
    """Raise ValueError unless both views have one shape (M, d)."""
    if z0.ndim != 2 or z0.shape != z1.shape:
        raise ValueError(f"both views need the same shape (M, d); got {tuple(z0.shape)} and {tuple(z1.shape)}")


def on_sphere(z0: Tensor, z1: Tensor) -> tuple[Tensor, Tensor]:
    """Both views (M, d) `normalised`, in float32 or better. Raises what `two_views` does."""
    z0, z1 = two_views(z0, z1)
    return normalised(z0), normalised(z1)


def normalised(z: Tensor) -> Tensor:
    """Rows of (M, d) projected on the unit sphere.

    A row that is the zero vector or has an entry that is NaN or infinite becomes NaN: `check_values` finds it.
    """
    # Divided by the largest entry first: squares of entries beyond 1e19 or below 1e-23 leave float32's range.
    if not traced():
        unit: Tensor = _Normalised.apply(z)[0]
        return unit
    scaled = z / z.detach().abs().amax(dim=1, keepdim=True)
    return scaled / torch.linalg.vector_norm(scaled, dim=1, keepdim=True)


class _Normalised(torch.autograd.Function):
    """The same in half the operations; returns unit vectors and lengths.

    It has `ctx` in forward, which torch.func can't take, because `setup_context` would cost 0.1 ms a call.
    """

    @staticmethod
    def forward(ctx: Any, z: Tensor) -> tuple[Tensor, Tensor]:
        largest = z.abs().amax(dim=1, keepdim=True)
        scaled = z / largest
        length = torch.linalg.vector_norm(scaled, dim=1, keepdim=True)
        unit, length = scaled.div_(length), length * largest
        ctx.save_for_backward(unit, length)
        ctx.set_materialize_grads(False)
        return unit, length

    @staticmethod
    def backward(ctx: Any, gradient: Tensor | None, of_length: Tensor | None) -> Tensor:
        unit, length = ctx.saved_tensors
        if gradient is None:
            gradient = torch.zeros_like(unit)
        result = torch.addcmul(gradient, unit, (gradient * unit).sum(dim=1, keepdim=True), value=-1) / length
        return result if of_length is None else result + of_length * unit


def one_if_unit(u: Tensor, v: Tensor) -> Tensor:
    """1 if all rows of both views have unit length, else NaN; shape ()."""
    lengths = torch.linalg.vector_norm(torch.stack([u.detach(), v.detach()]), dim=2)
    return torch.where((lengths - 1).abs().max() < UNIT, 1.0, torch.nan)


def check_values(z0: Tensor, z1: Tensor, *, unit: bool = False) -> None:
    """Raise ValueError for entries that are NaN or infinite and for zero vectors; with `unit` for other lengths than 1.

    The message names the view and the first such row.
    """
    names = ("u", "v") if unit else ("z0", "z1")
    for ordinal, name, z in zip(("first", "second"), names, (z0.detach(), z1.detach()), strict=True):
        if (row := first(~z.isfinite().all(dim=1))) is not None:
            raise ValueError(f"the {ordinal} view contains NaN or infinite values, in row {row} of {name}")
        if (row := first((z == 0).all(dim=1))) is not None:
            raise ValueError(f"row {row} of {name} is the zero vector, which has no direction on the sphere")
        lengths = torch.linalg.vector_norm(z, dim=1)
        if unit and (row := first((lengths - 1).abs() >= UNIT)) is not None:
            remedy = "normalise it, or take the loss's module, which does"
            raise ValueError(f"row {row} of {name} has length {lengths[row]:.4g}, but must be a unit vector: {remedy}")


def first(found: Tensor) -> int | None:
    """Place of the first True in a tensor (N,), read on the host; None if there is none."""
    return int(found.int().argmax()) if found.any() else None
