"""The interface of a kernel, the check of its parameters, and a power of the distance whose gradient is finite at 0."""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor

from dhel_kcl.geometry.sphere import dot_product_rule


class Kernel(ABC):
    """A kernel K(r^2) for the energy and, unless `alignment` says otherwise, for the alignment.

    Larger for closer points; both methods are elementwise on squared distances in [0, 4].
    """

    @abstractmethod
    def energy(self, r2: Tensor) -> Tensor: ...

    def alignment(self, r2: Tensor) -> Tensor:
        return self.energy(r2)

    def uniform_mean(self, dim: int) -> float:
        """Mean of the energy kernel over two independent uniform points of S^(dim-1), dim >= 2.

        By Gauss-Jacobi quadrature (`sphere.dot_product_rule`), which suits a kernel that is smooth in r^2 on [0, 4].
        """
        s, weights = dot_product_rule(dim)
        return float(weights @ self.energy(torch.from_numpy(2 - 2 * s)).numpy())


def power(r2: Tensor, exponent: float) -> Tensor:
    """(r^2)^exponent for exponent > 0 with gradient 0 at r = 0, where autograd's is NaN or infinite."""
    zero = r2 == 0
    return r2.masked_fill(zero, 1.0).pow(exponent).masked_fill(zero, 0.0)


def check_positive(**parameters: float) -> None:
    """Raise ValueError for a parameter that is not a finite number above zero."""
    for name, value in parameters.items():
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be a finite number above 0; got {value}")
