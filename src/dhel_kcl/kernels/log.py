"""Logarithmic kernel."""

from torch import Tensor

from dhel_kcl.kernels.base import Kernel
from dhel_kcl.kernels.parameters import Number


class LogKernel(Kernel):
    """K(r^2) = -log(1 + t r^2) / 2.

    The DHEL-KCL release doubles the alignment kernel (-log(1 + t r^2)): `released_alignment=True`
    does as it does. Same minimisers, another trade-off between alignment and energy. `uniform_mean` has no
    closed form; its quadrature is exact to rounding for t <= 100.

    Args:
        t: scale, above 0: a float, or a tensor of shape () to learn it. 2 is the release's default.
        released_alignment: whether to double the alignment kernel; True or False, which can't be learned.
    """

    smooth = True
    t: Number
    released_alignment: bool

    def __init__(self, t: Number = 2.0, released_alignment: bool = False) -> None:
        super().__init__(t=t)
        if not isinstance(released_alignment, bool):
            raise ValueError(f"released_alignment must be True or False; got {released_alignment!r}")
        self.keep(released_alignment=released_alignment)

    @staticmethod
    def formula(r2: Tensor, t: Number) -> Tensor:  # type: ignore[override]
        return -0.5 * (t * r2).log1p()

    def alignment(self, r2: Tensor) -> Tensor:
        return (2 if self.released_alignment else 1) * self.energy(r2)
