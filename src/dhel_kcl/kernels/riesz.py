"""Riesz kernel with a finite value at zero distance."""

from torch import Tensor

from dhel_kcl.geometry.sphere import mean_power_of_distance
from dhel_kcl.kernels.base import Kernel, power
from dhel_kcl.kernels.parameters import Number, as_float


class RieszKernel(Kernel):
    """K(r^2) = -r^q (the DHEL-KCL release's s is -q). Gradient 0 at r = 0.

    Raises ValueError for q out of (0, 2): for q <= 0 the kernel diverges for aligned positives, and for q = 2
    every centred configuration is a minimiser. Energies that diverge: `GaussianRieszKernel`.

    Args:
        q: exponent, 0 < q < 2: a float, or a tensor of shape () to learn it.
    """

    upper = 2.0
    rule = (
        "0 < q < 2 for the Riesz kernel -r^q, which diverges with q <= 0 at perfect alignment (there is the kernel "
        "gaussian_riesz, which aligns with a Gaussian)"
    )

    q: Number

    def __init__(self, q: Number = 1.0) -> None:
        super().__init__(q=q)

    @staticmethod
    def formula(r2: Tensor, q: Number) -> Tensor:  # type: ignore[override]
        return -power(r2, q / 2)

    def uniform_mean(self, dim: int) -> float:
        """-E r^q: see `sphere.mean_power_of_distance`."""
        return -mean_power_of_distance(as_float(self.q), dim)
