"""InfoNCE with cross-view negatives only (van den Oord et al. 2018; the loss of CLIP)."""

from torch import Tensor

from dhel_kcl.kernels.base import check_positive
from dhel_kcl.losses.base import Terms, at_least_float32, check_views, full_precision, softplus
from dhel_kcl.losses.log_sum_exp import LogSumExpLoss
from dhel_kcl.losses.negatives import across


def infonce(u: Tensor, v: Tensor, temperature: float = 0.5, energy_weight: float = 1.0) -> Tensor:
    """InfoNCE loss of unit vectors, mean over anchors and over both roles of (u, v).

    Per anchor i: -u_i.v_i / tau + log sum_j exp(u_i.v_j / tau),
    computed as softplus(-u_i.v_i / tau + w log sum_{j!=i} exp(u_i.v_j / tau)), the same at w = 1.

    Args:
        u, v: unit vectors, shape (M, d), M >= 2.
        temperature: tau > 0.
        energy_weight: w > 0; 1 is the published loss. Above 2 aligned positives need not be optimal.

    Returns:
        Scalar in float32 (float64 for float64 input), above 0.

    Raises:
        ValueError: unequal shapes, M < 2, NaN or infinite input, tau or w not above 0.

    Source: van den Oord et al. 2018, eq. 4; Radford et al. 2021 for the symmetric form. w is this project's.
    """
    return infonce_terms(u, v, temperature, energy_weight).loss


def infonce_terms(u: Tensor, v: Tensor, temperature: float, energy_weight: float) -> Terms:
    check_views(u, v)
    check_positive(temperature=temperature, energy_weight=energy_weight)
    u, v = at_least_float32(u), at_least_float32(v)
    with full_precision(u):
        positive = (u * v).sum(dim=1) / temperature
        energies = energy_weight * across(u, v, temperature)
        return Terms(softplus(energies - positive).mean(), -positive.mean(), energies.mean())


class InfoNCELoss(LogSumExpLoss):
    """`infonce` as a module of raw embeddings (z0, z1); `gather` as in `ContrastiveLoss`."""

    coupled = True

    def __init__(self, temperature: float = 0.5, energy_weight: float = 1.0, *, gather: bool = False) -> None:
        super().__init__(temperature, energy_weight, gather)

    def terms(self, u: Tensor, v: Tensor) -> Terms:
        return infonce_terms(u, v, self.temperature, self.energy_weight)

    def minimum(self, batch_size: int, dim: int) -> float | None:
        """As for every log-sum-exp loss, but None for w > 2: all negatives are across views, so a large w makes views
        repel each other. From w = 2 (M-1) / (M-2) on, u_i = x and v_i = -x for all i are below the simplex."""
        return super().minimum(batch_size, dim) if self.energy_weight <= 2 else None
