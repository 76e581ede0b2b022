"""Theory: n points trained in fixed disjoint batches of m do not reach the optimum of all n (Lee et al. 2025, Thm 5.5).

Every batch can be optimal, a simplex of its own, while nothing fixes the batches against each other: the variance of
the n (n - 1) dot products between different points then lies between (n - m) and n (n - m), each over
((m - 1)(n - 1)^2). The lower bound is attained by batches in orthogonal subspaces, the upper by coinciding batches.
Descents from random starts, of losses without other local minima, end in between; only one batch of all n points has
variance 0 at its optimum.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from dhel_kcl.geometry import metrics, sphere
from dhel_kcl.theory.descent import descend, losses
from dhel_kcl.theory.methods import LOSS_OF
from dhel_kcl.theory.minima import starts
from dhel_kcl.theory.verdict import Verdict, verdict

COUNT, DIM = 12, 12
SIZES = (2, 3, 4, 6, 12)
METHODS = ("simclr", "dcl", "dhel", "kcl-log")
STARTS = 5
TOLERANCE = 1e-6


def bounds(count: int, size: int) -> tuple[float, float]:
    """Least and greatest variance of the negative similarities when every batch is optimal."""
    scale = (size - 1) * (count - 1) ** 2
    return (count - size) / scale, count * (count - size) / scale


def orthogonal_batches(count: int, dim: int, size: int) -> NDArray[np.float64]:
    """Simplices of `size` points in mutually orthogonal subspaces."""
    points = np.zeros((count, dim))
    for batch in range(count // size):
        columns = slice(batch * (size - 1), (batch + 1) * (size - 1))
        points[batch * size : (batch + 1) * size, columns] = sphere.simplex(size, size - 1)
    return points


def coinciding_batches(count: int, dim: int, size: int) -> NDArray[np.float64]:
    """The same simplex in every batch."""
    return np.tile(sphere.simplex(size, dim), (count // size, 1))


def fixed_batches(method: str, size: int) -> list[tuple[str, int, NDArray[np.float64], float]]:
    """Where descents on the mean loss over fixed disjoint batches end: method, start, points, the mean's gap."""

    def split(points: Tensor) -> Tensor:
        """(S, 2, COUNT, DIM) as a stack of batches, those of one start next to each other."""
        return points.unflatten(2, (-1, size)).transpose(1, 2).flatten(0, 1)

    def objective(points: Tensor) -> Tensor:
        return losses(LOSS_OF[method], split(points)).view(len(points), -1).mean(dim=1)

    ends, least = descend(objective, starts(COUNT, DIM, range(STARTS))).points, LOSS_OF[method].minimum(size, DIM)
    assert least is not None
    means = [np.mean([LOSS_OF[method](*batch).item() for batch in split(end[None])]) for end in ends]
    return [(method, start, ends[start, 0].numpy(), float(mean - least)) for start, mean in enumerate(means)]


def measure() -> pd.DataFrame:
    """One row a batch size and construction or descent."""
    rows = []
    for size in tqdm(SIZES, unit="batch size", mininterval=1):
        low, high = bounds(COUNT, size)
        found = [("orthogonal", 0, orthogonal_batches), ("coinciding", 0, coinciding_batches)]
        points = [(name, seed, make(COUNT, DIM, size), 0.0) for name, seed, make in found]
        points += [end for method in METHODS for end in fixed_batches(method, size)]
        for name, seed, z, gap in points:
            row = {"batch_size": size, "method": name, "start": seed, "gap": gap}
            row["variance"] = metrics.negative_variance(z, z)
            rows.append(row | {"lower_bound": low, "upper_bound": high})
    return pd.DataFrame(rows)


def judge(table: pd.DataFrame) -> list[Verdict]:
    ends = table[table.method.isin(METHODS)]
    outside = np.maximum(ends.lower_bound - ends.variance, ends.variance - ends.upper_bound).max()
    statements = [
        (
            "descents on fixed batches make every batch optimal; largest gap of their mean loss",
            ends.gap.abs().max(),
            1e-10,
        ),
        ("descents on fixed batches end between the bounds; largest distance outside", max(outside, 0), TOLERANCE),
    ]
    return [verdict("C1, limits", name, measured, "<=", bound) for name, measured, bound in statements]
