"""Theory: descent on the sphere from random starts, against the closed-form least value of every loss (claim C1).

Both views are free: u, v in (S^(d-1))^M, started at independent uniform points. For M <= d + 1 the regular simplex is
optimal for every loss here (proved, Jensen). For M = 2 d the cross-polytope is: proved for the energies of kernels
completely monotone in r^2 (Cohn & Kumar 2007), only observed for the log-sum-exp losses. One setting a loss; how often
descents end elsewhere, at many settings, is counted in `local_minima`.

The Riesz kernel has a kink at perfect alignment, where L-BFGS stalls: it is approached through -(r^2 + e^2)^(q/2),
e -> 0; the gap reported is that of the kernel itself.
"""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from dhel_kcl.geometry import sphere
from dhel_kcl.kernels.riesz import RieszKernel
from dhel_kcl.losses.base import ContrastiveLoss
from dhel_kcl.losses.kcl_loss import KCLLoss
from dhel_kcl.theory.descent import Descents, descend, losses
from dhel_kcl.theory.methods import KERNEL, LOSS_OF, TEMPERATURE
from dhel_kcl.theory.verdict import Verdict, verdict

# (d, M): number of random starts.
SHAPES = {(4, 3): 10, (4, 5): 10, (4, 8): 10, (6, 7): 10, (6, 12): 10, (128, 64): 3, (128, 256): 1}
SMOOTHINGS = (0.1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
REACHED = 1e-10
"""Gap up to which a least value counts as reached."""
NEAR = 1e-4
"""Dot products and misalignments up to which points count as those of an optimal set."""
STUCK = 1e-3
"""Gap above which a start counts as stuck in another stationary point."""
FLAT, SADDLE = 1e-6, -1e-6
"""Gradient below which a point counts as stationary, and curvature below which it is no local minimum."""


class SmoothedRiesz(RieszKernel):
    """-(r^2 + e^2)^(q/2), smooth at r = 0."""

    def __init__(self, e: float) -> None:
        super().__init__()
        self.e = e

    def energy(self, r2: Tensor) -> Tensor:
        return -((r2 + self.e**2) ** (self.q / 2))


def starts(count: int, dim: int, seeds: Iterable[int]) -> Tensor:
    """Two independent uniform views a seed, shape (S, 2, count, dim)."""
    points = [sphere.uniform(2 * count, dim, seed).reshape(2, count, dim) for seed in seeds]
    return torch.from_numpy(np.stack(points))


def descend_from(loss: ContrastiveLoss, points: Tensor) -> Descents:
    """Descents of one loss from each of a stack of points (S, 2, count, dim)."""
    if not (isinstance(loss, KCLLoss) and isinstance(loss.kernel, RieszKernel)):
        return descend(partial(losses, loss), points)
    evaluations = torch.zeros(len(points), dtype=torch.int64)
    for e in SMOOTHINGS:
        end = descend(partial(losses, loss, kernel=SmoothedRiesz(e=e)), points)
        points, evaluations = end.points, evaluations + end.evaluations
    return replace(end, evaluations=evaluations)


def rows(loss: ContrastiveLoss, numbers: Iterable[int], points: Tensor) -> list[dict[str, Any]]:
    """One row a start, of the stack `points` (S, 2, count, dim), with its number."""
    ends = descend_from(loss, points)
    return [
        row(loss, number, end, int(evaluations))
        for number, end, evaluations in zip(numbers, ends.points, ends.evaluations, strict=True)
    ]


def row(loss: ContrastiveLoss, seed: int, points: Tensor, evaluations: int) -> dict[str, Any]:
    """What is measured at the end of one descent, two views (2, count, dim).

    local_minimum: whether it is stationary above the least value, and the loss falls in no direction to second order.
    """
    u, v = points
    count, dim = u.shape
    least = loss.minimum(count, dim)
    assert least is not None
    gap, positives = loss(u, v).item() - least, (u * v).sum(dim=1)
    slope, curvature = gradient(loss, points), least_curvature(loss, points) if gap > STUCK else None
    return {
        "start": seed,
        "least": least,
        "gap": gap,
        "reached": abs(gap) <= REACHED,
        "misalignment": (1 - positives).max().item(),
        "pairs_apart": int((positives < 0).sum()),
        "distance_to_optimum": distance_to_optimum(u, count, dim),
        "gradient": slope,
        "least_curvature": curvature,
        "local_minimum": curvature is not None and slope < FLAT and curvature > SADDLE,
        "evaluations": evaluations,
    }


def gradient(loss: ContrastiveLoss, points: Tensor) -> float:
    """Largest entry of the gradient over both views."""
    points = points.detach().requires_grad_()
    (slope,) = torch.autograd.grad(loss(points[0], points[1]), points)
    return slope.abs().max().item()


def least_curvature(loss: ContrastiveLoss, points: Tensor) -> float:
    """Least eigenvalue of the Hessian over both views; 0 along lengths and common rotations, below 0 at a saddle."""

    def value(flat: Tensor) -> Tensor:
        u, v = flat.view_as(points)
        return loss(u, v)

    hessian = torch.autograd.functional.hessian(value, points.flatten())
    return float(np.linalg.eigvalsh(torch.as_tensor(hessian).numpy())[0])


def distance_to_optimum(u: Tensor, count: int, dim: int) -> float:
    """Largest difference between the sorted dot products of any anchor and those in the optimal set."""
    optimum = sphere.optimal_cosines(count, dim)
    assert optimum is not None
    cosines, counts = optimum
    expected = np.sort(np.repeat(cosines, counts.astype(int)))
    gram = (u @ u.T)[~torch.eye(count, dtype=torch.bool)].view(count, count - 1)
    return float(np.abs(np.sort(gram.numpy(), axis=1) - expected).max())


def measure() -> pd.DataFrame:
    """One row a loss, (d, M) and random start."""
    cells = [(method, dim, count, seeds) for (dim, count), seeds in SHAPES.items() for method in LOSS_OF]
    found = []
    for method, dim, count, seeds in tqdm(cells, unit="cell", mininterval=1):
        optimum = "simplex" if count <= dim + 1 else "cross-polytope"
        same = {"dim": dim, "count": count, "optimum": optimum, "method": method}
        found += [same | end for end in rows(LOSS_OF[method], range(seeds), starts(count, dim, range(seeds)))]
    return pd.DataFrame(found)


def judge(table: pd.DataFrame) -> list[Verdict]:
    best = table.loc[table.groupby(["dim", "count", "method"]).gap.idxmin()]
    entries = []
    for optimum, kernels, known in (
        ("simplex", False, "proved"),
        ("simplex", True, "proved"),
        ("cross-polytope", False, "observed"),
        ("cross-polytope", True, "proved"),
    ):
        gap = best[(best.optimum == optimum) & (best.method.isin(KERNEL) == kernels)].gap.abs().max()
        family = "KCL" if kernels else f"InfoNCE, SimCLR, DCL, DHEL at τ = {TEMPERATURE:g}"
        name = f"{family}: the best descent ends at the {optimum}'s value ({known}); largest gap"
        entries.append(verdict("C1", name, gap, "<=", REACHED))
    distance = best[["misalignment", "distance_to_optimum"]].to_numpy().max()
    name = "all losses share these minimisers: aligned positives, dot products of the optimal set; largest error"
    entries.append(verdict("C1", name, distance, "<=", NEAR))
    return entries
