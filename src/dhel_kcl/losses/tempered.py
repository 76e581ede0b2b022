"""Log-sum-exp over an anchor's negatives: plainly for small batches, in blocks for large ones."""

from typing import NamedTuple

import torch
from torch import Tensor

from dhel_kcl.kernels.parameters import Number, between, traced
from dhel_kcl.losses.blocks import is_large
from dhel_kcl.losses.large_log_sums import large_log_sums
from dhel_kcl.losses.negatives import Negatives

LEAST_BOUNDED = 1 / 60
"""For a fixed temperature from here on, exp(|c| / tau) and its sums stay well inside float32's range."""


class Tempered(NamedTuple):
    """Unit vectors over sqrt(tau), whose dot products are similarities over tau, and what is a negative of what.

    So the temperature's gradient is that of a product, in every form of the sums.
    """

    u: Tensor
    v: Tensor
    negatives: Negatives
    bounded: bool
    """Whether exponentials are summed as they are; else the largest exponent is subtracted first."""

    def positives(self) -> Tensor:
        """u_i.v_i / tau, shape (M,)."""
        return (self.u * self.v).sum(dim=1)

    def alignment(self) -> Tensor:
        """-mean_i u_i.v_i / tau, shape ()."""
        return (self.u * self.v).sum() * (-1 / self.u.shape[0])

    def within(self, z: Tensor) -> Tensor:
        """log sum_j exp(z_i.z_j / tau) over the negatives j of i within one of the views, shape (M,)."""
        if is_large(z):
            return large_log_sums(z[None], self.negatives, self.bounded)[0]
        return self._log_sum(self._exponents(z, z), dim=1)

    def across(self) -> Tensor:
        """The same of u_i.v_j / tau in row 0, and of v_i.u_j / tau in row 1, shape (2, M)."""
        if is_large(self.u):
            return large_log_sums(torch.stack([self.u, self.v]), self.negatives, self.bounded)
        exponents = self._exponents(self.u, self.v)
        return torch.stack([self._log_sum(exponents, dim=1), self._log_sum(exponents, dim=0)])

    def within_and_across(self) -> Tensor:
        """The same over the negatives within and across the views, anchors u_i in row 0 and v_i in row 1, (2, M)."""
        return torch.logaddexp(torch.stack([self.within(self.u), self.within(self.v)]), self.across())

    def _exponents(self, x: Tensor, y: Tensor) -> Tensor:
        exponents, excluded = x @ y.T, self.negatives.excluded()
        if excluded is not None and traced():  # vmap over masks alone can't overwrite what all of them share
            exponents, excluded = exponents.masked_fill(excluded, -torch.inf), None
        with torch.no_grad():  # exp(-inf) is 0, and so are its derivatives
            exponents.diagonal().fill_(-torch.inf)
            if excluded is not None:
                exponents.masked_fill_(excluded, -torch.inf)
        return exponents.exp_() if self.bounded else exponents

    def _log_sum(self, exponents: Tensor, dim: int) -> Tensor:
        return exponents.sum(dim).log() if self.bounded else exponents.logsumexp(dim)


def tempered(u: Tensor, v: Tensor, negatives: Negatives, temperature: Number) -> Tempered:
    """Of unit vectors u, v of shape (M, d), in float32 or float64; temperature: tau > 0."""
    factor = between(temperature) ** -0.5
    bounded = not isinstance(temperature, Tensor) and temperature >= LEAST_BOUNDED
    return Tempered(u * factor, v * factor, negatives, bounded)
