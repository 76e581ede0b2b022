"""Log-sum-exp over an anchor's negatives: plainly for small batches, in blocks for large ones."""

import torch
from torch import Tensor

from dhel_kcl.losses.blocks import LARGEST_EXPONENTS, largest_exponent, log_sums

LARGEST_PLAIN = 256
"""For more instances than this, blocks are faster than a matrix of all pairs (`benchmarks/losses.py`)."""


def within(z: Tensor, temperature: float) -> Tensor:
    """log sum_{j!=i} exp(z_i.z_j / tau), shape (M,)."""
    if _in_blocks(temperature, z):
        return log_sums(z[None], temperature)[0]
    return without_diagonal(z @ z.T / temperature).logsumexp(dim=1)


def across(u: Tensor, v: Tensor, temperature: float) -> Tensor:
    """log sum_{j!=i} exp(u_i.v_j / tau) in row 0 and log sum_{j!=i} exp(v_i.u_j / tau) in row 1, shape (2, M)."""
    if _in_blocks(temperature, u, v):
        return log_sums(torch.stack([u, v]), temperature)
    cross = without_diagonal(u @ v.T / temperature)
    return torch.stack([cross.logsumexp(dim=1), cross.logsumexp(dim=0)])


def within_and_across(u: Tensor, v: Tensor, temperature: float) -> Tensor:
    """Log-sum-exp over the 2(M-1) negatives of both views, anchors u_i in row 0 and v_i in row 1, shape (2, M)."""
    if len(u) > LARGEST_PLAIN:
        both = torch.stack([within(u, temperature), within(v, temperature)])
        return torch.logaddexp(both, across(u, v, temperature))
    cross = without_diagonal(u @ v.T / temperature)
    within_u = without_diagonal(u @ u.T / temperature)
    within_v = without_diagonal(v @ v.T / temperature)
    return torch.stack(
        [
            torch.cat([cross, within_u], dim=1).logsumexp(dim=1),
            torch.cat([cross.T, within_v], dim=1).logsumexp(dim=1),
        ]
    )


def without_diagonal(similarities: Tensor) -> Tensor:
    """Square matrix with -inf on its diagonal, so that log-sum-exp over a row leaves j = i out."""
    diagonal = torch.eye(len(similarities), dtype=torch.bool, device=similarities.device)
    return similarities.masked_fill(diagonal, -torch.inf)


def _in_blocks(temperature: float, *views: Tensor) -> bool:
    if len(views[0]) <= LARGEST_PLAIN:
        return False
    # Blocks take exponentials without a shift, which for tau < 1/600 would leave the range of float64.
    return all(largest_exponent(z, temperature) <= LARGEST_EXPONENTS[torch.float64] for z in views)
