"""Theory: uniformity against Wasserstein uniformity on points whose collapse is known (claim C7).

Points on S^(d-1), d = 128: uniform on a k-dimensional sub-sphere, or Gaussian with variances falling as exp(-i/s) and
projected, s set so that the variances' participation ratio is k. Repeated draws of N = 1,000 points.

The statistic: the shift of a metric between uniform points of S^(d-1) and of a
k-dimensional sub-sphere, as a share of the metric's range from uniform to total collapse. k = 64 and 32.
"""

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import brentq
from tqdm import tqdm

from dhel_kcl.geometry import metrics, sphere
from dhel_kcl.theory.verdict import Verdict, verdict

DIM, POINTS, DRAWS = 128, 1000, 20
RANKS = (1, 2, 4, 8, 16, 32, 64, 128)
JUDGED = (64, 32)
COLLAPSED = {"uniformity": 0.0, "wasserstein_uniformity": 1.0}
"""Values at total collapse."""


def sub_sphere(rank: int, seed: int) -> NDArray[np.float64]:
    points = np.zeros((POINTS, DIM))
    points[:, :rank] = sphere.uniform(POINTS, rank, seed)
    return points


def variances(rank: int) -> NDArray[np.float64]:
    """exp(-i/s), i < DIM, with s such that the participation ratio (sum)^2 / sum of squares is `rank`."""

    def falling(log_s: float) -> NDArray[np.float64]:
        return np.exp(-np.arange(DIM) / math.exp(log_s))

    if rank == DIM:
        return np.ones(DIM)
    return falling(brentq(lambda log_s: participation_ratio(falling(log_s)) - rank, -5, 15))


def participation_ratio(values: NDArray[np.float64]) -> float:
    return float(values.sum() ** 2 / np.square(values).sum())


def anisotropic(rank: int, seed: int) -> NDArray[np.float64]:
    """Gaussian points with these `variances`, projected on the sphere."""
    return metrics.unit(np.random.default_rng(seed).standard_normal((POINTS, DIM)) * np.sqrt(variances(rank)))


def measure() -> pd.DataFrame:
    """One row a family, k and draw."""
    # A Gaussian of one dimension is the sub-sphere of one: two points.
    cells = [("sub-sphere", k, seed) for k in RANKS for seed in range(DRAWS)]
    cells += [("anisotropic", k, seed) for k in RANKS if k > 1 for seed in range(DRAWS)]
    rows = []
    for family, rank, seed in tqdm(cells, unit="draw", mininterval=1):
        points = (sub_sphere if family == "sub-sphere" else anisotropic)(rank, seed)
        rows.append(
            {
                "family": family,
                "rank": rank,
                "draw": seed,
                "uniformity": metrics.uniformity(points),
                "wasserstein_uniformity": metrics.wasserstein_uniformity(points),
                "effective_rank": metrics.effective_rank(points),
            }
        )
    return pd.DataFrame(rows)


def shares(table: pd.DataFrame) -> pd.DataFrame:
    """`table` with each metric as a share of its range: 0 at the mean of uniform points, 1 at total collapse."""
    table = table.copy()
    full = table[(table.family == "sub-sphere") & (table["rank"] == DIM)]
    for metric, collapsed in COLLAPSED.items():
        start = full[metric].mean()
        table[metric] = (table[metric] - start) / (collapsed - start)
    return table


def judge(table: pd.DataFrame) -> list[Verdict]:
    entries, scaled = [], shares(table)
    full = scaled[(scaled.family == "sub-sphere") & (scaled["rank"] == DIM)]
    baseline = (full.wasserstein_uniformity - full.uniformity).to_numpy()
    for rank in (*JUDGED, 8, 4):
        here = scaled[(scaled.family == "sub-sphere") & (scaled["rank"] == rank)]
        at = f"collapse of uniform points to {rank} of {DIM} dimensions"
        if rank in JUDGED:
            name = f"{at}: Wasserstein uniformity moves further than uniformity; ratio of the shares of their ranges"
            ratio = here.wasserstein_uniformity.mean() / here.uniformity.mean()
            entries.append(verdict("C7", name, ratio, ">", 1))
        else:
            difference = (here.wasserstein_uniformity - here.uniformity).to_numpy() - baseline
            name = f"{at}: Wasserstein uniformity moves further here too; difference of the shares"
            entries.append(verdict("C7, limits", name, difference.mean(), ">", 0))
    return entries
