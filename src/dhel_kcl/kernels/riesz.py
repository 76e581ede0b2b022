"""Riesz kernel with a finite value at zero distance."""

from dataclasses import dataclass

from torch import Tensor

from dhel_kcl.geometry.sphere import mean_power_of_distance
from dhel_kcl.kernels.base import Kernel, power


@dataclass(frozen=True)
class RieszKernel(Kernel):
    """K(r^2) = -r^q, 0 < q < 2 (the DHEL-KCL release's s is -q). Gradient 0 at r = 0.

    Raises ValueError for other q: for q <= 0 the kernel diverges for aligned positives, and for q = 2
    every centred configuration is a minimiser. Energies that diverge: `GaussianRieszKernel`.
    """

    q: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.q < 2:
            raise ValueError(
                f"the Riesz kernel -r^q needs 0 < q < 2; got q = {self.q}. With q <= 0 it diverges at perfect "
                "alignment; use the kernel gaussian_riesz, which aligns with a Gaussian"
            )

    def energy(self, r2: Tensor) -> Tensor:
        return -power(r2, self.q / 2)

    def uniform_mean(self, dim: int) -> float:
        """-E r^q: see `sphere.mean_power_of_distance`."""
        return -mean_power_of_distance(self.q, dim)
