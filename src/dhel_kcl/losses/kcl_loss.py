"""KCL, the kernel contrastive loss (Koromilas et al. 2024)."""

import inspect
from functools import partial

import numpy as np
import torch
from torch import Tensor

from dhel_kcl.geometry.sphere import optimal_cosines
from dhel_kcl.kernels.base import Kernel
from dhel_kcl.kernels.parameters import Number, as_float, between, check_positive
from dhel_kcl.losses.base import ContrastiveLoss, Terms, full_precision, of_unit_vectors
from dhel_kcl.losses.blocks import is_large
from dhel_kcl.losses.distances import pairs, squared_distances
from dhel_kcl.losses.large_energies import large_energy
from dhel_kcl.losses.negatives import ALL, Negatives
from dhel_kcl.registry import resolve


def kcl(
    u: Tensor,
    v: Tensor,
    kernel: Kernel,
    gamma: Number = 16.0,
    *,
    ids: Tensor | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Kernel contrastive loss of unit vectors.

    -2 mean_i K_A(u_i, v_i) + gamma ( mean_{i<j} K_U(u_i, u_j) + mean_{i<j} K_U(v_i, v_j) ):
    twice the one-sided form printed in the paper. An average over pairs, so its expectation does not depend on the
    batch size; with ids or mask over the pairs that are kept, which do depend on the batch.

    Args:
        u: unit vectors of the first view, shape (M, d), M >= 2, floating point, on any device; of half precision the
            loss is computed in float32.
        v: of the second view, of the same shape and on the same device.
        kernel: alignment and energy kernel, such as `dhel_kcl.kernels.gaussian.GaussianKernel(t=2.0)`, whose parameters
            may be learned.
        gamma: weight of the energy, > 0, a float or a tensor of shape () to learn it; 16 is the release's default.
        ids: integers of shape (M,): instances with equal ids are no negatives of each other.
        mask: bool of shape (M, M), symmetric, True where j is a negative of i.

    Returns:
        Scalar in float32 (float64 for float64 input). Infinite for coincident anchors with a diverging kernel.

    Raises:
        ValueError: as `dhel_loss.dhel`, and gamma or a parameter of the kernel out of its range.

    Source: Koromilas et al. 2024 and the DHEL-KCL release.
    """
    check_positive(gamma=gamma)
    kernel.check(read=False)
    terms = partial(kcl_terms, kernel=kernel, gamma=gamma)
    return of_unit_vectors(terms, u, v, ids, mask)


def kcl_terms(u: Tensor, v: Tensor, negatives: Negatives, kernel: Kernel, gamma: Number) -> Terms:
    """What `kcl` is the sum of, of unit vectors u, v of shape (M, d) whose values nobody has checked."""
    with full_precision(u):
        sums = _large_sums if is_large(u) else _sums
        aligned, energies = sums(u, v, negatives, kernel)
        alignment, energy = aligned * (-2 / u.shape[0]), energies * (between(gamma) / negatives.pairs(u))
        return Terms(alignment + energy, alignment, energy)


def _sums(u: Tensor, v: Tensor, negatives: Negatives, kernel: Kernel) -> tuple[Tensor, Tensor]:
    """Sum of K_A over the positives, and of K_U over the pairs of negatives of both views."""
    r2, count = squared_distances(u, v)
    excluded = negatives.excluded()
    if excluded is not None:
        # Those that are left out get a harmless distance: a diverging kernel would give inf * 0.
        excluded = excluded[pairs(u)].repeat(2)
        r2 = torch.cat([r2[: 2 * count].masked_fill(excluded, 1.0), r2[2 * count :]])
    energies, alignments = kernel.energy_and_alignment(r2, 2 * count)
    if excluded is not None:
        energies = energies.masked_fill(excluded, 0.0)
    return alignments.sum(), energies.sum()


def _large_sums(u: Tensor, v: Tensor, negatives: Negatives, kernel: Kernel) -> tuple[Tensor, Tensor]:
    """The same of a large batch."""
    # Of the differences, not 2 - 2 u.v, which loses four digits near alignment.
    aligned = kernel.alignment((u - v).square().sum(dim=1)).sum()
    return aligned, large_energy(u, kernel, negatives) + large_energy(v, kernel, negatives)


class KCLLoss(ContrastiveLoss):
    """`kcl` as a module of raw embeddings, which it normalises: `loss(z0, z1)`, or `loss(z)` of both views stacked.

    >>> KCLLoss(kernel="gaussian", gamma=16.0, t=2.0)(torch.eye(4), torch.eye(4)).item()  # -2 + 32 exp(-4)
    -1.413...

    Args:
        kernel: name of the kernel: "gaussian" (parameter t), "log" (t, released_alignment), "imq" (c), "riesz" (q) or
            "gaussian_riesz" (s).
        gamma: weight of the energy, > 0; a float, or a tensor of shape () to learn it: an `nn.Parameter` is registered.
        gather: whether to take the batches of all processes as one, see `ContrastiveLoss`.
        kernel_parameters: of the kernel, by name; floats, or tensors of shape () to learn them.
    """

    gamma: Number
    kernel: Kernel

    def __init__(
        self, kernel: str = "gaussian", gamma: Number = 16.0, *, gather: bool = False, **kernel_parameters: Number
    ) -> None:
        super().__init__(gather=gather)
        check_positive(gamma=gamma)
        self.keep(gamma=gamma)
        build = resolve("kernel", kernel)
        allowed = inspect.signature(build).parameters
        for name in kernel_parameters:
            if name not in allowed:
                raise ValueError(f"unknown parameter {name!r} of the kernel {kernel}; allowed: {', '.join(allowed)}")
        self.kernel = build(**kernel_parameters)

    def terms(self, u: Tensor, v: Tensor, negatives: Negatives = ALL) -> Terms:
        return kcl_terms(u, v, negatives, self.kernel, self.gamma)

    def check_parameters(self, *, read: bool = False) -> None:
        check_positive(gamma=self.gamma, read=read)
        self.kernel.check(read=read)

    def minimum(
        self, batch_size: int, dim: int, *, ids: Tensor | None = None, mask: Tensor | None = None
    ) -> float | None:
        optimum = optimal_cosines(batch_size, dim)
        if optimum is None or ids is not None or mask is not None:
            return None
        cosines, counts = optimum
        values = self.kernel.energy(torch.from_numpy(2 - 2 * cosines)).detach().numpy()
        return float(-2 * self._at_zero() + 2 * as_float(self.gamma) * np.average(values, weights=counts))

    def uniform_limit(self, dim: int) -> float:
        """-2 K_A(0) + 2 gamma E K_U (`Kernel.uniform_mean`): the expected loss for every M, not only its limit, and
        whichever pairs ids or mask keep."""
        return -2 * self._at_zero() + 2 * as_float(self.gamma) * self.kernel.uniform_mean(dim)

    def expected_at_uniform(self, batch_size: int, dim: int) -> float:
        return self.uniform_limit(dim)

    def _at_zero(self) -> float:
        return self.kernel.alignment(torch.zeros(1, dtype=torch.float64)).item()
