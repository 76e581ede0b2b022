"""Inverse multiquadric kernel."""

from torch import Tensor

from dhel_kcl.kernels.base import Kernel
from dhel_kcl.kernels.parameters import Number


class IMQKernel(Kernel):
    """K(r^2) = c / sqrt(c^2 + r^2).

    `uniform_mean` is c (c^2 + 4)^(-1/2) 2F1(1/2, a; 2a; 4 / (c^2 + 4)), a = (dim-1)/2, by quadrature: SciPy's 2F1
    is NaN for small c in high dimensions. Exact to rounding for c >= 0.1.

    Args:
        c: width, above 0: a float, or a tensor of shape () to learn it. 2 is the DHEL-KCL release's default.
    """

    smooth = True
    c: Number

    def __init__(self, c: Number = 2.0) -> None:
        super().__init__(c=c)

    @staticmethod
    def formula(r2: Tensor, c: Number) -> Tensor:  # type: ignore[override]
        return c * (c**2 + r2).rsqrt()
