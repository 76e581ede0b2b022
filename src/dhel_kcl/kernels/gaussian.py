"""Gaussian kernel."""

import math

from torch import Tensor

from dhel_kcl.geometry.sphere import log_mean_exp
from dhel_kcl.kernels.base import Kernel
from dhel_kcl.kernels.parameters import Number, as_float


class GaussianKernel(Kernel):
    """K(r^2) = exp(-t r^2).

    Args:
        t: scale, above 0: a float, or a tensor of shape () to learn it. 2 is the DHEL-KCL release's default.
    """

    smooth = True
    t: Number

    def __init__(self, t: Number = 2.0) -> None:
        super().__init__(t=t)

    @staticmethod
    def formula(r2: Tensor, t: Number) -> Tensor:  # type: ignore[override]
        return (-t * r2).exp()

    def uniform_mean(self, dim: int) -> float:
        """exp(-2t) 0F1(; dim/2; t^2), since exp(-t r^2) = exp(-2t) exp(2t c)."""
        t = as_float(self.t)
        return math.exp(log_mean_exp(dim, 1 / (2 * t)) - 2 * t)
