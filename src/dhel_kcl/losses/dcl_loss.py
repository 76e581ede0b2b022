"""DCL: SimCLR without the positive in its denominator (Yeh et al. 2022, Decoupled contrastive learning)."""

from functools import partial

from torch import Tensor

from dhel_kcl.kernels.parameters import Number, between, check_positive
from dhel_kcl.losses.base import Terms, full_precision, of_unit_vectors
from dhel_kcl.losses.log_sum_exp import LogSumExpLoss
from dhel_kcl.losses.negatives import ALL, Negatives
from dhel_kcl.losses.tempered import tempered


def dcl(
    u: Tensor,
    v: Tensor,
    temperature: Number = 0.5,
    energy_weight: Number = 1.0,
    *,
    ids: Tensor | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Decoupled contrastive loss of unit vectors, mean over anchors and over both roles of (u, v).

    Per anchor i: -u_i.v_i / tau + w log( sum_{j!=i} exp(u_i.v_j / tau) + sum_{j!=i} exp(u_i.u_j / tau) ).
    May be negative: its minimum is w (log 2 + log S) - 1/tau.

    Args:
        u: unit vectors of the first view, shape (M, d), M >= 2, floating point, on any device; of half precision the
            loss is computed in float32.
        v: of the second view, of the same shape and on the same device.
        temperature: tau > 0, a float or a tensor of shape () to learn it.
        energy_weight: w > 0, a float or a tensor of shape () to learn it; 1 is the published loss.
        ids: integers of shape (M,): instances with equal ids are no negatives of each other.
        mask: bool of shape (M, M), symmetric, True where j is a negative of i.

    Returns:
        Scalar in float32 (float64 for float64 input).

    Raises:
        ValueError: as `dhel_loss.dhel`.

    Source: Yeh et al. 2022, eq. 4; the DHEL-KCL release, symmetrised. w is this project's.
    """
    check_positive(temperature=temperature, energy_weight=energy_weight)
    terms = partial(dcl_terms, temperature=temperature, energy_weight=energy_weight)
    return of_unit_vectors(terms, u, v, ids, mask)


def dcl_terms(u: Tensor, v: Tensor, negatives: Negatives, temperature: Number, energy_weight: Number) -> Terms:
    with full_precision(u):
        pairs = tempered(u, v, negatives, temperature)
        alignment = pairs.alignment()
        energy = between(energy_weight) * pairs.within_and_across().mean()
        return Terms(alignment + energy, alignment, energy)


class DCLLoss(LogSumExpLoss):
    """`dcl` as a module of raw embeddings, which it normalises: `loss(z0, z1)`, or `loss(z)` of both views stacked.

    >>> import torch
    >>> DCLLoss(temperature=0.5)(torch.eye(4), torch.eye(4)).item()  # log 6 - 2
    -0.208...

    Args:
        temperature: tau > 0; a float, or a tensor of shape () to learn it: an `nn.Parameter` is registered.
        energy_weight: w > 0; a float, or a tensor of shape () to learn it. 1 is the published loss.
        gather: whether to take the batches of all processes as one, see `ContrastiveLoss`.
    """

    copies = 2

    def terms(self, u: Tensor, v: Tensor, negatives: Negatives = ALL) -> Terms:
        return dcl_terms(u, v, negatives, self.temperature, self.energy_weight)
