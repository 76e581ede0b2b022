"""DHEL, the decoupled hyperspherical energy loss (Koromilas et al. 2024)."""

from functools import partial

from torch import Tensor

from dhel_kcl.kernels.parameters import Number, between, check_positive
from dhel_kcl.losses.base import Terms, full_precision, of_unit_vectors
from dhel_kcl.losses.log_sum_exp import LogSumExpLoss
from dhel_kcl.losses.negatives import ALL, Negatives
from dhel_kcl.losses.tempered import tempered

FORMS = ("anchor", "mean", "sum")


def dhel(
    u: Tensor,
    v: Tensor,
    temperature: Number = 0.3,
    form: str = "sum",
    energy_weight: Number = 1.0,
    *,
    ids: Tensor | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Decoupled hyperspherical energy loss of unit vectors: alignment plus the energy within each view.

    With a = mean_i u_i.v_i and e(z) = mean_i log sum_{j!=i} exp(z_i.z_j / tau):

    - form "anchor": -a / tau + w e(u), as printed in the paper's figure;
    - form "mean": -a / tau + w (e(u) + e(v)) / 2, its symmetrisation;
    - form "sum": -a / tau + w (e(u) + e(v)), what the released code computes: "mean" with twice the weight.

    May be negative: its minimum is w log S - 1/tau, 2 w log S - 1/tau for "sum", where S is the sum in e at the simplex
    or the cross-polytope, the same for each of their points.

    Args:
        u: unit vectors of the first view, the anchors, shape (M, d), M >= 2, floating point, on any device; of half
            precision the loss is computed in float32.
        v: of the second view, the positives, of the same shape and on the same device.
        temperature: tau > 0, a float or a tensor of shape () to learn it; 0.3 is the release's default.
        form: "anchor", "mean" or "sum". Warning: the anchor form spreads the first view alone. Of two encoders (image
            and text, query and passage) the second is then left with few dimensions: take "mean".
        energy_weight: w > 0, a float or a tensor of shape () to learn it; 1 is the published loss.
        ids: integers of shape (M,): instances with equal ids are no negatives of each other.
        mask: bool of shape (M, M), symmetric, True where j is a negative of i.

    Returns:
        Scalar in float32 (float64 for float64 input).

    Raises:
        ValueError: unequal shapes, M < 2, types that are no floating point, tau or w not above 0, unknown form; eagerly
            on the CPU also NaN or infinite entries, vectors that are not of unit length and instances without
            negatives, for which the loss is NaN elsewhere.

    Source: Koromilas et al. 2024 and the DHEL-KCL release (`include_augs=True` is "sum"). w is this project's.
    """
    check_form(form)
    check_positive(temperature=temperature, energy_weight=energy_weight)
    terms = partial(dhel_terms, temperature=temperature, form=form, energy_weight=energy_weight)
    return of_unit_vectors(terms, u, v, ids, mask)


def dhel_terms(
    u: Tensor, v: Tensor, negatives: Negatives, temperature: Number, form: str, energy_weight: Number
) -> Terms:
    """What `dhel` is the sum of, of unit vectors u, v of shape (M, d) whose values nobody has checked."""
    with full_precision(u):
        pairs = tempered(u, v, negatives, temperature)
        alignment = pairs.alignment()
        energies = pairs.within(pairs.u)
        if form != "anchor":
            energies = energies + pairs.within(pairs.v)
        weight = between(energy_weight) / 2 if form == "mean" else between(energy_weight)
        energy = energies.sum() * (weight / u.shape[0])
        return Terms(alignment + energy, alignment, energy)


def check_form(form: str) -> None:
    if form not in FORMS:
        raise ValueError(f"unknown DHEL form {form!r}; allowed: {', '.join(FORMS)}")


class DHELLoss(LogSumExpLoss):
    """`dhel` as a module of raw embeddings, which it normalises: `loss(z0, z1)`, or `loss(z)` of both views stacked.

    Args:
        temperature: tau > 0; a float, or a tensor of shape () to learn it: an `nn.Parameter` is registered.
        form: "anchor", "mean" or "sum". Warning: the anchor form spreads the first view alone. Of two encoders (image
            and text, query and passage) the second is then left with few dimensions: take "mean".
        energy_weight: w > 0; a float, or a tensor of shape () to learn it. 1 is the published loss.
        gather: whether to take the batches of all processes as one, see `ContrastiveLoss`.
    """

    form: str

    def __init__(
        self, temperature: Number = 0.3, form: str = "sum", energy_weight: Number = 1.0, *, gather: bool = False
    ) -> None:
        super().__init__(temperature, energy_weight, gather=gather)
        check_form(form)
        self.keep(form=form)
        self.energies = 2 if form == "sum" else 1

    def terms(self, u: Tensor, v: Tensor, negatives: Negatives = ALL) -> Terms:
        return dhel_terms(u, v, negatives, self.temperature, self.form, self.energy_weight)
