"""What every contrastive loss shares: input checks, precision, the interface of the modules, several processes."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, distributed, nn
from torch.nn.functional import logsigmoid, normalize


class Terms(NamedTuple):
    """A loss and its two parts, all scalars (mean over anchors, in nats for the log-sum-exp losses).

    For DHEL, DCL and KCL `loss = alignment + energy`; SimCLR and InfoNCE couple the two through a softplus.
    """

    loss: Tensor
    alignment: Tensor
    energy: Tensor


class ContrastiveLoss(nn.Module, ABC):
    """Base of the loss modules: takes raw embeddings, puts them on the sphere, returns a scalar.

    A subclass defines `terms(u, v)`, and overrides what is known of its values at least-energy and at uniform anchors.

    With `gather=True` each of W processes passes its own embeddings, and all of them get the loss of the W M instances
    together: see `gathered`. It says how to compute, not what, so it is no hyperparameter: keyword only, in no config.
    """

    def __init__(self, *, gather: bool = False) -> None:
        super().__init__()
        self.gather = gather

    def forward(self, z0: Tensor, z1: Tensor) -> Tensor:
        """Loss of two batches of embeddings, shape (M, d) each, normalised here; returns shape ().

        Raises ValueError for unequal shapes, M < 2, NaN or infinite entries, or a zero vector; with `gather` also
        without a process group or for batches that differ in size between the processes.
        """
        if self.gather:
            z0, z1 = gathered(z0, z1)
        return self.terms(*on_sphere(z0, z1)).loss

    @abstractmethod
    def terms(self, u: Tensor, v: Tensor) -> Terms:
        """Loss, alignment part and energy part of unit vectors u, v of shape (M, d)."""

    def minimum(self, batch_size: int, dim: int) -> float | None:
        """Known least value over all u, v in (S^(dim-1))^batch_size, or None where none is known.

        Known for batch_size <= dim + 1 (simplex) and batch_size = 2 dim (cross-polytope); see `sphere.optimal_cosines`.
        """
        return None

    def uniform_limit(self, dim: int) -> float | None:
        """Limit of the expected loss, less what grows with log(M - 1), for M -> inf at aligned positives with
        independent anchors uniform on S^(dim-1), or None where it is not known."""
        return None

    def expected_at_uniform(self, batch_size: int, dim: int) -> float | None:
        """Expected loss of a batch of aligned positives with independent anchors uniform on S^(dim-1), or None where
        it is not known."""
        return None


def gathered(z0: Tensor, z1: Tensor) -> tuple[Tensor, Tensor]:
    """Embeddings of all W processes, shape (W M, d) each, in the order of their ranks.

    The gradient of the process's own rows is multiplied by W: `DistributedDataParallel` takes the mean of the
    parameters' gradients over the processes, which is then the gradient of the global loss, as if one process
    had trained on the concatenated batch. Every process must call `backward` on the same function of the loss.

    Raises ValueError without an initialised process group, or for different shapes between views or processes.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        raise ValueError("gather=True needs torch.distributed.init_process_group to have been called")
    check_shapes(z0, z1)
    shape = torch.tensor(z0.shape, device=z0.device)
    shapes = [torch.empty_like(shape) for _ in range(distributed.get_world_size())]
    distributed.all_gather(shapes, shape)
    if any(not torch.equal(other, shape) for other in shapes):
        sizes = ", ".join(str(tuple(other.tolist())) for other in shapes)
        raise ValueError(f"gather=True needs the same shape (M, d) in every process; got {sizes}")
    both = _Gather.apply(torch.stack([z0, z1], dim=1))
    return both[:, 0], both[:, 1]


class _Gather(torch.autograd.Function):
    """Concatenates the rows of all processes; backward takes its own rows of the gradient times their number."""

    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:
        parts = [torch.empty_like(z) for _ in range(distributed.get_world_size())]
        distributed.all_gather(parts, z.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        world_size = distributed.get_world_size()
        return world_size * gradient.chunk(world_size)[distributed.get_rank()]


def on_sphere(z0: Tensor, z1: Tensor) -> tuple[Tensor, Tensor]:
    """Check two (M, d) batches and project their rows on the unit sphere, in float32 or better."""
    check_views(z0, z1)
    return _normalised(at_least_float32(z0), "z0"), _normalised(at_least_float32(z1), "z1")


def _normalised(z: Tensor, name: str) -> Tensor:
    # Divided by the largest entry first: squares of entries beyond 1e19 or below 1e-23 leave float32's range.
    largest = z.detach().abs().amax(dim=1, keepdim=True)
    if (largest == 0).any():
        row = int((largest == 0).nonzero()[0, 0])
        raise ValueError(f"row {row} of {name} is the zero vector, which has no direction on the sphere")
    return normalize(z / largest, dim=1)


def check_views(u: Tensor, v: Tensor) -> None:
    """Raise ValueError unless u and v are finite floating-point tensors of one shape (M >= 2, d)."""
    check_shapes(u, v)
    if u.shape[0] < 2:
        raise ValueError(f"a contrastive loss needs at least M = 2 instances for a negative; got M = {u.shape[0]}")
    if not (u.is_floating_point() and v.is_floating_point()):
        raise ValueError(f"embeddings must be floating point; got {u.dtype} and {v.dtype}")
    for name, z in (("first", u), ("second", v)):
        if not torch.isfinite(z).all():
            raise ValueError(f"the {name} view contains NaN or infinite values")


def check_shapes(u: Tensor, v: Tensor) -> None:
    """Raise ValueError unless u and v have one shape (M, d)."""
    if u.ndim != 2 or u.shape != v.shape:
        raise ValueError(f"both views need the same shape (M, d); got {tuple(u.shape)} and {tuple(v.shape)}")


def at_least_float32(z: Tensor) -> Tensor:
    return z if z.dtype == torch.float64 else z.float()


@contextmanager
def full_precision(u: Tensor) -> Iterator[None]:
    """Switch autocast off: a bfloat16 matrix product would lose 2-3 digits of every similarity."""
    with torch.autocast(device_type=u.device.type, enabled=False):
        yield


def softplus(x: Tensor) -> Tensor:
    """log(1 + e^x) to full precision: torch's softplus returns x beyond 20, off by up to 2e-9."""
    return -logsigmoid(-x)
