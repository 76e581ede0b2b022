"""What every contrastive loss shares: the interface of the modules and of the functions, and its precision."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
from torch import Tensor, distributed
from torch.nn.functional import logsigmoid

from dhel_kcl.kernels.parameters import Parametric, may_read
from dhel_kcl.losses.gather import gathered
from dhel_kcl.losses.inputs import check_values, halves, normalised, one_if_unit, two_views
from dhel_kcl.losses.negatives import ALL, Negatives, negatives


class Terms(NamedTuple):
    """A loss and its two parts, all scalars (mean over anchors, in nats for the log-sum-exp losses).

    For DHEL, DCL and KCL `loss = alignment + energy`; SimCLR and InfoNCE couple the two through a softplus. This
    alignment is the loss's own term, less for closer views; the metric of that name is `metrics.alignment`, a distance.
    """

    loss: Tensor
    alignment: Tensor
    energy: Tensor


class ContrastiveLoss(Parametric, ABC):
    """Base of the loss modules: takes raw embeddings, puts them on the sphere, returns a scalar.

    A subclass defines `terms(u, v)`, and overrides what is known of its values at least-energy and at uniform anchors.

    Args:
        gather: with True each of W processes passes its own embeddings, and all of them get the loss of the W M
            instances together: see `gather.gathered`. It says how to compute, not what, so it is no hyperparameter of
            a study: keyword only, in no config.
    """

    gather: bool

    def __init__(self, *, gather: bool = False) -> None:
        super().__init__()
        self.keep(gather=gather)

    def forward(
        self, z0: Tensor, z1: Tensor | None = None, *, ids: Tensor | None = None, mask: Tensor | None = None
    ) -> Tensor:
        """Loss of two batches of embeddings, which are normalised here.

        Eagerly on the CPU, bad values are refused. Compiled, inside torch.func or on another device, nobody looks at
        values, so nobody waits: the loss is NaN then, and `check` says why.

        Args:
            z0: the first view's embeddings, shape (M, d), M >= 2, d >= 1, floating point, on any device; of half
                precision the loss is computed in float32. Without z1 those of both views one below the other,
                shape (2M, d): first M rows of the first view, then M rows of the second.
            z1: the second view's, of the same shape and on the same device; row i is the positive of row i of z0.
            ids: integers of shape (M,): instances with equal ids are never negatives of each other, as duplicate
                captions, takes of one song or images of one class. With `gather` those of the process's own instances.
            mask: bool of shape (M, M), True where instance j is a negative of instance i, within and across views
                alike. Symmetric; the diagonal is ignored, and positives always stay. With `gather` the process's own
                rows, shape (M, W M).

        Returns:
            Scalar, shape (), in float32 (float64 for float64 input).

        Raises:
            ValueError: unequal shapes, M < 2, d < 1, types that are no floating point; ids or mask of another shape or
                type, or both of them; with `gather` no process group or batches of different sizes. Eagerly on the CPU
                also NaN or infinite entries, a zero vector, an instance without negatives, an asymmetric mask, and
                a learned parameter out of its range.
        """
        z0, z1, pairs = self._batch(z0, z1, ids, mask)
        loss = sound(self.terms(normalised(z0), normalised(z1), pairs).loss, pairs)
        if may_read(loss) and not math.isfinite(loss.item()):
            self._check(z0, z1, pairs)
        return loss

    def check(
        self, z0: Tensor, z1: Tensor | None = None, *, ids: Tensor | None = None, mask: Tensor | None = None
    ) -> None:
        """Say why the loss of this batch is NaN: raise the ValueError that names the argument, its value and the rule.

        Takes what `forward` takes, on any device, and reads values on the host. With `gather` every process must call
        it. Returns None if there is nothing wrong with the batch and the loss's own parameters.
        """
        self._check(*self._batch(z0, z1, ids, mask))

    def _batch(
        self, z0: Tensor, z1: Tensor | None, ids: Tensor | None, mask: Tensor | None
    ) -> tuple[Tensor, Tensor, Negatives]:
        if not self.gather:
            z0, z1 = two_views(z0, z1)
            return z0, z1, negatives(z0, ids, mask)
        z0, z1 = halves(z0, z1)
        processes = distributed.get_world_size() if distributed.is_initialized() else 1
        z0, z1, pairs = gathered(z0, z1, negatives(z0, ids, mask, processes))
        return *two_views(z0, z1), pairs

    def _check(self, z0: Tensor, z1: Tensor, pairs: Negatives) -> None:
        self.check_parameters(read=True)
        check_values(z0, z1)
        pairs.check_values()

    def check_parameters(self, *, read: bool = False) -> None:
        """Raise ValueError for a parameter out of its range; with `read` look at tensors on any device, too."""

    @abstractmethod
    def terms(self, u: Tensor, v: Tensor, negatives: Negatives = ALL) -> Terms:
        """Loss, alignment part and energy part of unit vectors u, v of shape (M, d), in float32 or float64."""

    def minimum(
        self, batch_size: int, dim: int, *, ids: Tensor | None = None, mask: Tensor | None = None
    ) -> float | None:
        """Known least value over all u, v in (S^(dim-1))^batch_size, or None where none is known.

        Known for batch_size <= dim + 1 (simplex) and batch_size = 2 dim (cross-polytope), see `sphere.optimal_cosines`,
        if all instances are negatives of each other: None with ids or mask.
        """
        return None

    def uniform_limit(self, dim: int) -> float | None:
        """Limit of the expected loss, less what grows with log(M - 1), for M -> inf at aligned positives with
        independent anchors uniform on S^(dim-1), or None where it is not known. All instances are negatives."""
        return None

    def expected_at_uniform(self, batch_size: int, dim: int) -> float | None:
        """Expected loss of a batch of aligned positives with independent anchors uniform on S^(dim-1), or None where
        it is not known. All instances are negatives of each other."""
        return None


def of_unit_vectors(
    terms: Callable[[Tensor, Tensor, Negatives], Terms],
    u: Tensor,
    v: Tensor,
    ids: Tensor | None,
    mask: Tensor | None,
) -> Tensor:
    """The loss that `terms` gives of unit vectors, with the checks that all functions of unit vectors share."""
    u, v = two_views(u, v)
    pairs = negatives(u, ids, mask)
    loss = sound(terms(u, v, pairs).loss, pairs) * one_if_unit(u, v)
    if may_read(loss) and not math.isfinite(loss.item()):
        check_values(u, v, unit=True)
        pairs.check_values()
    return loss


def sound(loss: Tensor, pairs: Negatives) -> Tensor:
    """The loss; NaN of a batch where an instance has no negative or the mask is asymmetric."""
    factor = pairs.one_if_sound()
    return loss if factor is None else loss * factor


def full_precision(u: Tensor) -> AbstractContextManager[None]:
    """Switch autocast off: a bfloat16 matrix product would lose 2-3 digits of every similarity."""
    kind = u.device.type
    enabled = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
    return torch.autocast(kind, enabled=False) if enabled else nullcontext()


def softplus(x: Tensor) -> Tensor:
    """log(1 + e^x) to full precision: torch's softplus returns x beyond 20, off by up to 2e-9."""
    return -logsigmoid(-x)
