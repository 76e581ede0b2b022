"""DHEL, the decoupled hyperspherical energy loss (Koromilas et al. 2024)."""

from torch import Tensor

from dhel_kcl.kernels.base import check_positive
from dhel_kcl.losses.base import Terms, at_least_float32, check_views, full_precision
from dhel_kcl.losses.log_sum_exp import LogSumExpLoss
from dhel_kcl.losses.negatives import within

FORMS = ("anchor", "mean", "sum")


def dhel(u: Tensor, v: Tensor, temperature: float = 0.3, form: str = "sum", energy_weight: float = 1.0) -> Tensor:
    """Decoupled hyperspherical energy loss of unit vectors: alignment plus the energy within each view.

    With a = mean_i u_i.v_i and e(z) = mean_i log sum_{j!=i} exp(z_i.z_j / tau):

    - form "anchor": -a / tau + w e(u), as printed in the paper's figure;
    - form "mean": -a / tau + w (e(u) + e(v)) / 2, its symmetrisation;
    - form "sum": -a / tau + w (e(u) + e(v)), what the released code computes: "mean" with twice the weight.

    May be negative: its minimum is w log S - 1/tau (twice the energy for "sum").

    Args:
        u, v: unit vectors, shape (M, d), M >= 2.
        temperature: tau > 0; 0.3 is the release's default.
        form: "anchor", "mean" or "sum".
        energy_weight: w > 0; 1 is the published loss.

    Returns:
        Scalar in float32 (float64 for float64 input).

    Raises:
        ValueError: unequal shapes, M < 2, NaN or infinite input, tau or w not above 0, unknown form.

    Source: Koromilas et al. 2024 and the DHEL-KCL release (`include_augs=True` is "sum"). w is this project's.
    """
    return dhel_terms(u, v, temperature, form, energy_weight).loss


def dhel_terms(u: Tensor, v: Tensor, temperature: float, form: str, energy_weight: float) -> Terms:
    check_views(u, v)
    check_form(form)
    check_positive(temperature=temperature, energy_weight=energy_weight)
    u, v = at_least_float32(u), at_least_float32(v)
    with full_precision(u):
        alignment = -(u * v).sum(dim=1).mean() / temperature
        energy = log_energy(u, temperature)
        if form == "mean":
            energy = (energy + log_energy(v, temperature)) / 2
        elif form == "sum":
            energy = energy + log_energy(v, temperature)
        energy = energy_weight * energy
        return Terms(alignment + energy, alignment, energy)


def log_energy(z: Tensor, temperature: float) -> Tensor:
    """e(z) = mean_i log sum_{j!=i} exp(z_i.z_j / tau), a scalar."""
    return within(z, temperature).mean()


def check_form(form: str) -> None:
    if form not in FORMS:
        raise ValueError(f"unknown DHEL form {form!r}; allowed: {', '.join(FORMS)}")


class DHELLoss(LogSumExpLoss):
    """`dhel` as a module of raw embeddings (z0, z1); `gather` as in `ContrastiveLoss`."""

    def __init__(
        self, temperature: float = 0.3, form: str = "sum", energy_weight: float = 1.0, *, gather: bool = False
    ) -> None:
        super().__init__(temperature, energy_weight, gather)
        check_form(form)
        self.form, self.energies = form, 2 if form == "sum" else 1

    def terms(self, u: Tensor, v: Tensor) -> Terms:
        return dhel_terms(u, v, self.temperature, self.form, self.energy_weight)
