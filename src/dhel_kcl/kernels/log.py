"""Logarithmic kernel."""

from dataclasses import dataclass

from torch import Tensor

from dhel_kcl.kernels.base import Kernel, check_positive


@dataclass(frozen=True)
class LogKernel(Kernel):
    """K(r^2) = -log(1 + t r^2) / 2, t > 0.

    The DHEL-KCL release doubles the alignment kernel (-log(1 + t r^2)): `released_alignment=True`
    does as it does. Same minimisers, another trade-off between alignment and energy. `uniform_mean` has no
    closed form; its quadrature is exact to rounding for t <= 100.
    """

    t: float = 2.0
    released_alignment: bool = False

    def __post_init__(self) -> None:
        check_positive(t=self.t)

    def energy(self, r2: Tensor) -> Tensor:
        return -0.5 * (self.t * r2).log1p()

    def alignment(self, r2: Tensor) -> Tensor:
        return (2 if self.released_alignment else 1) * self.energy(r2)
