"""DCL: SimCLR without the positive in its denominator (Yeh et al. 2022, Decoupled contrastive learning)."""

from torch import Tensor

from dhel_kcl.kernels.base import check_positive
from dhel_kcl.losses.base import Terms, at_least_float32, check_views, full_precision
from dhel_kcl.losses.log_sum_exp import LogSumExpLoss
from dhel_kcl.losses.negatives import within_and_across


def dcl(u: Tensor, v: Tensor, temperature: float = 0.5, energy_weight: float = 1.0) -> Tensor:
    """Decoupled contrastive loss of unit vectors, mean over anchors and over both roles of (u, v).

    Per anchor i: -u_i.v_i / tau + w log( sum_{j!=i} exp(u_i.v_j / tau) + sum_{j!=i} exp(u_i.u_j / tau) ).
    May be negative: its minimum is w (log 2 + log S) - 1/tau.

    Args:
        u, v: unit vectors, shape (M, d), M >= 2.
        temperature: tau > 0.
        energy_weight: w > 0; 1 is the published loss.

    Returns:
        Scalar in float32 (float64 for float64 input).

    Raises:
        ValueError: unequal shapes, M < 2, NaN or infinite input, tau or w not above 0.

    Source: Yeh et al. 2022, eq. 4; the DHEL-KCL release, symmetrised. w is this project's.
    """
    return dcl_terms(u, v, temperature, energy_weight).loss


def dcl_terms(u: Tensor, v: Tensor, temperature: float, energy_weight: float) -> Terms:
    check_positive(energy_weight=energy_weight)
    positive, negatives = positive_and_negatives(u, v, temperature)
    alignment, energy = -positive.mean(), energy_weight * negatives.mean()
    return Terms(alignment + energy, alignment, energy)


def positive_and_negatives(u: Tensor, v: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """u_i.v_i / tau, shape (M,), and the log-sum-exp over the 2(M-1) negatives of each anchor, shape (2, M).

    Row 0 has the anchors u_i, row 1 the anchors v_i.
    """
    check_views(u, v)
    check_positive(temperature=temperature)
    u, v = at_least_float32(u), at_least_float32(v)
    with full_precision(u):
        return (u * v).sum(dim=1) / temperature, within_and_across(u, v, temperature)


class DCLLoss(LogSumExpLoss):
    """`dcl` as a module of raw embeddings (z0, z1); `gather` as in `ContrastiveLoss`.

    >>> import torch
    >>> DCLLoss(temperature=0.5)(torch.eye(4), torch.eye(4)).item()  # log 6 - 2
    -0.208...
    """

    copies = 2

    def __init__(self, temperature: float = 0.5, energy_weight: float = 1.0, *, gather: bool = False) -> None:
        super().__init__(temperature, energy_weight, gather)

    def terms(self, u: Tensor, v: Tensor) -> Terms:
        return dcl_terms(u, v, self.temperature, self.energy_weight)
