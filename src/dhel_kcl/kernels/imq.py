"""Inverse multiquadric kernel."""

from dataclasses import dataclass

from torch import Tensor

from dhel_kcl.kernels.base import Kernel, check_positive


@dataclass(frozen=True)
class IMQKernel(Kernel):
    """K(r^2) = c / sqrt(c^2 + r^2), c > 0; c = 2 is the DHEL-KCL release's default.

    `uniform_mean` is c (c^2 + 4)^(-1/2) 2F1(1/2, a; 2a; 4 / (c^2 + 4)), a = (dim-1)/2, by quadrature: SciPy's 2F1
    is NaN for small c in high dimensions. Exact to rounding for c >= 0.1.
    """

    c: float = 2.0

    def __post_init__(self) -> None:
        check_positive(c=self.c)

    def energy(self, r2: Tensor) -> Tensor:
        return self.c * (self.c**2 + r2).rsqrt()
