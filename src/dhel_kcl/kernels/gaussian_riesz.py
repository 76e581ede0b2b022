"""Gaussian alignment with a diverging Riesz energy."""

from torch import Tensor

from dhel_kcl.geometry.sphere import mean_power_of_distance
from dhel_kcl.kernels.base import Kernel, power
from dhel_kcl.kernels.parameters import Number, as_float


class GaussianRieszKernel(Kernel):
    """K_U = r^(-s), with K_A = exp(-2 r^2), the pairing the DHEL-KCL release offers for s > 0.

    The energy of coincident anchors is infinite; by convention its gradient is 0 there, as no direction is the best.

    Args:
        s: exponent, above 0: a float, or a tensor of shape () to learn it. 2 is the release's default.
    """

    s: Number

    def __init__(self, s: Number = 2.0) -> None:
        super().__init__(s=s)

    @staticmethod
    def formula(r2: Tensor, s: Number) -> Tensor:  # type: ignore[override]
        return power(r2, -s / 2)

    def uniform_mean(self, dim: int) -> float:
        """E r^(-s), infinite for s >= dim - 1: see `sphere.mean_power_of_distance`."""
        return mean_power_of_distance(-as_float(self.s), dim)

    def alignment(self, r2: Tensor) -> Tensor:
        return (-2 * r2).exp()
