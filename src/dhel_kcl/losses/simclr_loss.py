"""SimCLR's NT-Xent loss (Chen et al. 2020), written as the softplus of DCL."""

from torch import Tensor

from dhel_kcl.kernels.base import check_positive
from dhel_kcl.losses.base import Terms, softplus
from dhel_kcl.losses.dcl_loss import positive_and_negatives
from dhel_kcl.losses.log_sum_exp import LogSumExpLoss


def simclr(u: Tensor, v: Tensor, temperature: float = 0.5, energy_weight: float = 1.0) -> Tensor:
    """NT-Xent loss of unit vectors, mean over anchors and over both roles of (u, v).

    Per anchor i: -u_i.v_i / tau + log( sum_j exp(u_i.v_j / tau) + sum_{j!=i} exp(u_i.u_j / tau) ),
    computed as softplus(-u_i.v_i / tau + w log(negatives)), the same at w = 1 and exact for small losses.
    Weighting the negatives alone keeps aligned positives optimal for every w.

    Args:
        u, v: unit vectors, shape (M, d), M >= 2.
        temperature: tau > 0.
        energy_weight: w > 0; 1 is the published loss.

    Returns:
        Scalar in float32 (float64 for float64 input), above 0.

    Raises:
        ValueError: unequal shapes, M < 2, NaN or infinite input, tau or w not above 0.

    Source: Chen et al. 2020, eq. 1. w is this project's.
    """
    return simclr_terms(u, v, temperature, energy_weight).loss


def simclr_terms(u: Tensor, v: Tensor, temperature: float, energy_weight: float) -> Terms:
    check_positive(energy_weight=energy_weight)
    positive, negatives = positive_and_negatives(u, v, temperature)
    loss = softplus(energy_weight * negatives - positive).mean()
    return Terms(loss, -positive.mean(), energy_weight * negatives.mean())


class SimCLRLoss(LogSumExpLoss):
    """`simclr` as a module of raw embeddings (z0, z1); `gather` as in `ContrastiveLoss`."""

    copies, coupled = 2, True

    def __init__(self, temperature: float = 0.5, energy_weight: float = 1.0, *, gather: bool = False) -> None:
        super().__init__(temperature, energy_weight, gather)

    def terms(self, u: Tensor, v: Tensor) -> Terms:
        return simclr_terms(u, v, self.temperature, self.energy_weight)
