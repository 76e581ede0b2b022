"""The interface of a kernel, and a power of the distance whose gradient is finite at 0."""

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from dhel_kcl.geometry.sphere import dot_product_rule
from dhel_kcl.kernels.parameters import Number, Parametric, between, check_between


class Kernel(Parametric, ABC):
    """A kernel K(r^2) for the energy and, unless `alignment` says otherwise, for the alignment.

    Larger for closer points; all methods are elementwise on squared distances in [0, 4].

    A subclass has its parameters as attributes, each a float, or a tensor of shape () if it is learned, and a
    `formula` with a finite gradient at 0 (`power`).
    """

    smooth: ClassVar[bool] = False
    """Whether K is smooth at r = 0, so that float32's rounding errors of r^2, some 1e-7, don't matter there."""
    upper: ClassVar[float] = math.inf
    """Parameters lie between 0 and this, both excluded."""
    rule: ClassVar[str] = "a finite number above 0"
    """The same, in words."""

    def __init__(self, **parameters: Number) -> None:
        super().__init__()
        self.keep(**parameters)
        self.parameter_names = tuple(parameters)
        self.check(read=False)

    def check(self, *, read: bool = True) -> None:
        """Raise ValueError for a parameter out of its range; with `read` look at tensors on any device, too."""
        for name in self.parameter_names:
            check_between(name, getattr(self, name), self.rule, self.upper, read=read)

    @staticmethod
    @abstractmethod
    def formula(r2: Tensor, *parameters: Number) -> Tensor:
        """K_U of squared distances of any shape, and of the parameters in their order."""

    def numbers(self) -> tuple[Number, ...]:
        """The parameters in their order; tensors out of their range are NaN."""
        return tuple(between(getattr(self, name), self.upper) for name in self.parameter_names)

    def energy(self, r2: Tensor) -> Tensor:
        """K_U(r^2), elementwise."""
        return self.formula(r2, *self.numbers())

    def alignment(self, r2: Tensor) -> Tensor:
        """K_A(r^2), elementwise."""
        return self.energy(r2)

    def energy_and_alignment(self, r2: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """K_U of the first `count` squared distances, and K_A of the others; in one go where both are the same."""
        if type(self).alignment is Kernel.alignment:
            energy, alignment = self.energy(r2).split([count, r2.shape[0] - count])
            return energy, alignment
        return self.energy(r2[:count]), self.alignment(r2[count:])

    def uniform_mean(self, dim: int) -> float:
        """Mean of the energy kernel over two independent uniform points of S^(dim-1), dim >= 2.

        By Gauss-Jacobi quadrature (`sphere.dot_product_rule`), which suits a kernel that is smooth in r^2 on [0, 4].
        """
        s, weights = dot_product_rule(dim)
        return float(weights @ self.energy(torch.from_numpy(2 - 2 * s)).detach().numpy())


def power(r2: Tensor, exponent: Number) -> Tensor:
    """(r^2)^exponent with gradient 0 at r = 0, where autograd's is NaN or infinite."""
    return torch.threshold(r2, 0.0, 0.0).pow(exponent)
