"""Gaussian kernel."""

import math
from dataclasses import dataclass

from torch import Tensor

from dhel_kcl.geometry.sphere import log_mean_exp
from dhel_kcl.kernels.base import Kernel, check_positive


@dataclass(frozen=True)
class GaussianKernel(Kernel):
    """K(r^2) = exp(-t r^2), t > 0; t = 2 is the DHEL-KCL release's default."""

    t: float = 2.0

    def __post_init__(self) -> None:
        check_positive(t=self.t)

    def energy(self, r2: Tensor) -> Tensor:
        return (-self.t * r2).exp()

    def uniform_mean(self, dim: int) -> float:
        """exp(-2t) 0F1(; dim/2; t^2), since exp(-t r^2) = exp(-2t) exp(2t c)."""
        return math.exp(log_mean_exp(dim, 1 / (2 * self.t)) - 2 * self.t)
