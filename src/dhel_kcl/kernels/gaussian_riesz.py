"""Gaussian alignment with a diverging Riesz energy."""

from dataclasses import dataclass

from torch import Tensor

from dhel_kcl.geometry.sphere import mean_power_of_distance
from dhel_kcl.kernels.base import Kernel, check_positive


@dataclass(frozen=True)
class GaussianRieszKernel(Kernel):
    """K_U = r^(-s), s > 0, with K_A = exp(-2 r^2), the pairing the DHEL-KCL release offers for s > 0.

    The energy of coincident anchors is infinite; s = 2 is the release's default.
    """

    s: float = 2.0

    def __post_init__(self) -> None:
        check_positive(s=self.s)

    def energy(self, r2: Tensor) -> Tensor:
        return r2.pow(-self.s / 2)

    def uniform_mean(self, dim: int) -> float:
        """E r^(-s), infinite for s >= dim - 1: see `sphere.mean_power_of_distance`."""
        return mean_power_of_distance(-self.s, dim)

    def alignment(self, r2: Tensor) -> Tensor:
        return (-2 * r2).exp()
