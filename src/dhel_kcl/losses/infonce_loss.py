"""InfoNCE with cross-view negatives only (van den Oord et al. 2018; the loss of CLIP)."""

from functools import partial

from torch import Tensor

from dhel_kcl.kernels.parameters import Number, as_float, between, check_positive
from dhel_kcl.losses.base import Terms, full_precision, of_unit_vectors, softplus
from dhel_kcl.losses.log_sum_exp import LogSumExpLoss
from dhel_kcl.losses.negatives import ALL, Negatives
from dhel_kcl.losses.tempered import tempered


def infonce(
    u: Tensor,
    v: Tensor,
    temperature: Number = 0.5,
    energy_weight: Number = 1.0,
    *,
    ids: Tensor | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """InfoNCE loss of unit vectors, mean over anchors and over both roles of (u, v).

    Per anchor i: -u_i.v_i / tau + log sum_j exp(u_i.v_j / tau),
    computed as softplus(-u_i.v_i / tau + w log sum_{j!=i} exp(u_i.v_j / tau)), the same at w = 1.

    Args:
        u: unit vectors of the first view, shape (M, d), M >= 2, floating point, on any device; of half precision the
            loss is computed in float32.
        v: of the second view, of the same shape and on the same device.
        temperature: tau > 0, a float or a tensor of shape () to learn it.
        energy_weight: w > 0, a float or a tensor of shape () to learn it; 1 is the published loss. Above 2 aligned
            positives need not be optimal.
        ids: integers of shape (M,): instances with equal ids are no negatives of each other.
        mask: bool of shape (M, M), symmetric, True where j is a negative of i.

    Returns:
        Scalar in float32 (float64 for float64 input), above 0.

    Raises:
        ValueError: as `dhel_loss.dhel`.

    Source: van den Oord et al. 2018, eq. 4; Radford et al. 2021 for the symmetric form. w is this project's.
    """
    check_positive(temperature=temperature, energy_weight=energy_weight)
    terms = partial(infonce_terms, temperature=temperature, energy_weight=energy_weight)
    return of_unit_vectors(terms, u, v, ids, mask)


def infonce_terms(u: Tensor, v: Tensor, negatives: Negatives, temperature: Number, energy_weight: Number) -> Terms:
    with full_precision(u):
        pairs = tempered(u, v, negatives, temperature)
        positives, energies = pairs.positives(), between(energy_weight) * pairs.across()
        return Terms(softplus(energies - positives).mean(), -positives.mean(), energies.mean())


class InfoNCELoss(LogSumExpLoss):
    """`infonce` as a module of raw embeddings, which it normalises: `loss(z0, z1)`, or `loss(z)` of both views stacked.

    Args:
        temperature: tau > 0; a float, or a tensor of shape () to learn it: an `nn.Parameter` is registered.
        energy_weight: w > 0; a float, or a tensor of shape () to learn it. 1 is the published loss.
        gather: whether to take the batches of all processes as one, see `ContrastiveLoss`.
    """

    coupled = True

    def terms(self, u: Tensor, v: Tensor, negatives: Negatives = ALL) -> Terms:
        return infonce_terms(u, v, negatives, self.temperature, self.energy_weight)

    def minimum(
        self, batch_size: int, dim: int, *, ids: Tensor | None = None, mask: Tensor | None = None
    ) -> float | None:
        """As for every log-sum-exp loss, but None for w > 2: all negatives are across views, so a large w makes views
        repel each other. From w = 2 (M-1) / (M-2) on, u_i = x and v_i = -x for all i are below the simplex."""
        if as_float(self.energy_weight) > 2:
            return None
        return super().minimum(batch_size, dim, ids=ids, mask=mask)
