"""What the log-sum-exp losses share: a temperature, an energy weight, and their values on known sets of anchors."""

import math

from torch import Tensor

from dhel_kcl.geometry.sphere import dispersion, log_energy_of_uniform, log_mean_exp, optimal_log_energy
from dhel_kcl.kernels.parameters import Number, as_float, check_positive
from dhel_kcl.losses.base import ContrastiveLoss


class LogSumExpLoss(ContrastiveLoss):
    """Base of InfoNCE, SimCLR, DCL and DHEL.

    With perfectly aligned positives, u = v, each of them is a function of log S_i, S_i = sum_{j!=i} exp(u_i.u_j / tau):
    `energies` w (log `copies` + log S_i) - 1/tau, or the softplus of it where `coupled`.
    """

    copies = 1
    """How often S_i occurs in an anchor's denominator."""
    energies = 1
    """How many energies are added up."""
    coupled = False
    """Whether the denominator has the positive, too."""

    temperature: Number
    energy_weight: Number

    def __init__(self, temperature: Number = 0.5, energy_weight: Number = 1.0, *, gather: bool = False) -> None:
        super().__init__(gather=gather)
        self.keep(temperature=temperature, energy_weight=energy_weight)
        self.check_parameters()

    def check_parameters(self, *, read: bool = False) -> None:
        check_positive(temperature=self.temperature, energy_weight=self.energy_weight, read=read)

    def minimum(
        self, batch_size: int, dim: int, *, ids: Tensor | None = None, mask: Tensor | None = None
    ) -> float | None:
        log_energy = optimal_log_energy(batch_size, dim, as_float(self.temperature))
        if log_energy is None or ids is not None or mask is not None:
            return None
        decoupled = self._decoupled(log_energy)
        return _softplus(decoupled) if self.coupled else decoupled

    def uniform_limit(self, dim: int) -> float:
        """Limit of E[loss] - `energies` w log(M - 1) for M -> inf at aligned, uniform anchors, in nats.

        `energies` w (log `copies` + log m_1) - 1/tau with m_1 = E exp(c / tau), c the dot product of two anchors:
        a softplus far above zero is its argument.
        """
        return self._decoupled(log_mean_exp(dim, as_float(self.temperature)))

    def expected_at_uniform(self, batch_size: int, dim: int) -> float:
        """E[loss] at aligned, uniform anchors, to first order in 1 / (M - 1) (`sphere.log_energy_of_uniform`).

        Of a coupled loss the softplus at the mean plus half its second derivative times the variance
        w^2 (m_2 / m_1^2 - 1) / (M - 1) of its argument. Useful where m_2 / m_1^2 - 1 is well below M - 1.
        """
        decoupled = self._decoupled(log_energy_of_uniform(batch_size, dim, as_float(self.temperature)))
        if not self.coupled:
            return decoupled
        variance = as_float(self.energy_weight) ** 2 * dispersion(dim, as_float(self.temperature)) / (batch_size - 1)
        curvature = math.exp(-abs(decoupled)) / (1 + math.exp(-abs(decoupled))) ** 2
        return _softplus(decoupled) + curvature * variance / 2

    def _decoupled(self, log_energy: float) -> float:
        weight, temperature = as_float(self.energy_weight), as_float(self.temperature)
        return self.energies * weight * (math.log(self.copies) + log_energy) - 1 / temperature


def _softplus(x: float) -> float:
    return max(x, 0) + math.log1p(math.exp(-abs(x)))
