"""KCL, the kernel contrastive loss (Koromilas et al. 2024)."""

import numpy as np
import torch
from torch import Tensor

from dhel_kcl.geometry.sphere import optimal_cosines
from dhel_kcl.kernels.base import Kernel, check_positive
from dhel_kcl.losses.base import (
    ContrastiveLoss,
    Terms,
    at_least_float32,
    check_views,
    full_precision,
)
from dhel_kcl.losses.blocks import COINCIDENT, energy_sum
from dhel_kcl.registry import resolve

LARGEST_PLAIN = 256
"""For more instances than this, blocks are faster than a matrix of all pairs (`benchmarks/losses.py`)."""


def kcl(u: Tensor, v: Tensor, kernel: Kernel, gamma: float = 16.0) -> Tensor:
    """Kernel contrastive loss of unit vectors.

    -2 mean_i K_A(u_i, v_i) + gamma ( mean_{i<j} K_U(u_i, u_j) + mean_{i<j} K_U(v_i, v_j) ):
    twice the one-sided form printed in the paper. An average over pairs, so its expectation does not
    depend on the batch size.

    Args:
        u, v: unit vectors, shape (M, d), M >= 2.
        kernel: alignment and energy kernel, from `dhel_kcl.kernels`.
        gamma: weight of the energy, > 0; 16 is the release's default.

    Returns:
        Scalar in float32 (float64 for float64 input).

    Raises:
        ValueError: unequal shapes, M < 2, NaN or infinite input, gamma not above 0.

    Source: Koromilas et al. 2024 and the DHEL-KCL release.
    """
    return kcl_terms(u, v, kernel, gamma).loss


def kcl_terms(u: Tensor, v: Tensor, kernel: Kernel, gamma: float) -> Terms:
    check_views(u, v)
    check_positive(gamma=gamma)
    u, v = at_least_float32(u), at_least_float32(v)
    with full_precision(u):
        # Of the differences, not 2 - 2 u.v, which loses four digits near alignment.
        aligned = (u - v).square().sum(dim=1)
        alignment = -2 * kernel.alignment(aligned).mean()
        energy = gamma * (mean_energy(u, kernel) + mean_energy(v, kernel))
        return Terms(alignment + energy, alignment, energy)


def mean_energy(z: Tensor, kernel: Kernel) -> Tensor:
    """mean_{i<j} K_U(||z_i - z_j||^2) of unit vectors, a scalar."""
    count = len(z)
    if count > LARGEST_PLAIN:
        return (energy_sum(z, kernel) * 2 / (count * (count - 1))).to(z.dtype)
    diagonal = torch.eye(count, dtype=torch.bool, device=z.device)
    # In float64: float32 rounding of r^2 (5e-7) would be 7e-4 of r. What is left of it at r = 0 is cut off.
    exact = z.double()
    squares = exact.square().sum(dim=1)
    distances = squares[:, None] + squares[None, :] - 2 * exact @ exact.T
    distances = distances.masked_fill(distances < COINCIDENT, 0.0).to(z.dtype)
    # The diagonal gets a harmless distance first: a diverging kernel would give inf * 0 there.
    values = kernel.energy(distances.masked_fill(diagonal, 1.0)).masked_fill(diagonal, 0.0)
    return values.sum() / (count * (count - 1))


class KCLLoss(ContrastiveLoss):
    """`kcl` as a module of raw embeddings (z0, z1); the kernel by name, its parameters as keywords; `gather` as in
    `ContrastiveLoss`.

    >>> KCLLoss(kernel="gaussian", gamma=16.0, t=2.0)(torch.eye(4), torch.eye(4)).item()  # -2 + 32 exp(-4)
    -1.413...
    """

    def __init__(
        self, kernel: str = "gaussian", gamma: float = 16.0, *, gather: bool = False, **kernel_parameters: float
    ) -> None:
        super().__init__(gather=gather)
        check_positive(gamma=gamma)
        self.kernel: Kernel = resolve("kernel", kernel)(**kernel_parameters)
        self.gamma = gamma

    def terms(self, u: Tensor, v: Tensor) -> Terms:
        return kcl_terms(u, v, self.kernel, self.gamma)

    def minimum(self, batch_size: int, dim: int) -> float | None:
        optimum = optimal_cosines(batch_size, dim)
        if optimum is None:
            return None
        cosines, counts = optimum
        values = self.kernel.energy(torch.from_numpy(2 - 2 * cosines)).numpy()
        at_zero = self.kernel.alignment(torch.zeros(1, dtype=torch.float64)).item()
        return float(-2 * at_zero + 2 * self.gamma * np.average(values, weights=counts))

    def uniform_limit(self, dim: int) -> float:
        """-2 K_A(0) + 2 gamma E K_U (`Kernel.uniform_mean`): the expected loss for every M, not only its limit."""
        at_zero = self.kernel.alignment(torch.zeros(1, dtype=torch.float64)).item()
        return -2 * at_zero + 2 * self.gamma * self.kernel.uniform_mean(dim)

    def expected_at_uniform(self, batch_size: int, dim: int) -> float:
        return self.uniform_limit(dim)
