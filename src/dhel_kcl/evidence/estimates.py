"""Estimates with intervals from few seeds, and what follows from several of them at once."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit


@dataclass(frozen=True)
class Estimate:
    """A statistic with its standard error and the degrees of freedom of that error; NaN where they are not known.

    seeds: the fewest seeds that a component of it rests on. blocked: the estimate with each seed's values summed first,
    for intervals that hold whatever seeds share; None where seeds have one value each.
    """

    value: float
    error: float = math.nan
    df: float = math.nan
    seeds: int = 0
    blocked: "Estimate | None" = None

    def interval(self, level: float) -> tuple[float, float]:
        """Two-sided Student t interval; (nan, nan) without an error."""
        half = stdtrit(self.df, (1 + level) / 2) * self.error if self.error > 0 else math.nan
        return self.value - half, self.value + half

    def p_value(self, threshold: float) -> float:
        """Two-sided p of the hypothesis that the true value is `threshold`; NaN without an error."""
        return float(2 * stdtr(self.df, -abs(self.value - threshold) / self.error)) if self.error > 0 else math.nan


def satterthwaite(variances: ArrayLike, df: ArrayLike) -> float:
    """Degrees of freedom of a sum of independent variance estimates (Satterthwaite 1946)."""
    v, n = np.asarray(variances, float), np.asarray(df, float)
    return float(v.sum() ** 2 / (v**2 / n).sum()) if v.sum() > 0 else math.nan


def planned_df(variances: ArrayLike, df: ArrayLike) -> float:
    """What `satterthwaite` can be expected to give for these true variances: less than with them in place of their
    estimates, whose spread it takes for unequal variances. Inverse of the ratio of expectations."""
    v, n = np.asarray(variances, float), np.asarray(df, float)
    return float((v.sum() ** 2 + 2 * (v**2 / n).sum()) / (v**2 * (1 + 2 / n) / n).sum())


def contrast(values: NDArray[np.float64]) -> Estimate:
    """Sum of the columns' means, each column with a mean (fixed effect) and a variance of its own.

    values: shape (seeds, batch sizes), NaN where a seed was not run; rows of different columns are taken as
    independent. A spread of exactly 0 counts as unknown.
    """
    there = ~np.isnan(values)
    counts = there.sum(axis=0)
    if counts.size == 0 or counts.min() == 0:
        return Estimate(math.nan)
    columns = [column[known] for column, known in zip(values.T, there.T, strict=True)]
    complete, blocked = values[there.all(axis=1)], None
    if len(columns) > 1:
        blocked = contrast(complete.sum(axis=1, keepdims=True)) if len(complete) else Estimate(math.nan)
    value, seeds = float(sum(column.mean() for column in columns)), int(counts.min())
    if seeds < 2:
        return Estimate(value, seeds=seeds, blocked=blocked)
    variances = np.array([column.var(ddof=1) for column in columns]) / counts
    return Estimate(value, math.sqrt(variances.sum()), satterthwaite(variances, counts - 1), seeds, blocked=blocked)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values (Holm 1979); NaN stays NaN, but counts as a member of the family."""
    order = sorted(range(len(p_values)), key=lambda k: (math.isnan(p_values[k]), p_values[k]))
    adjusted, largest = [math.nan] * len(p_values), 0.0
    for rank, k in enumerate(order):
        if not math.isnan(p_values[k]):
            largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[k]))
            adjusted[k] = largest
    return adjusted


def expected_best_of(count: int, values: Sequence[float]) -> float:
    """Mean of the value picked when `count` of the settings are drawn at random without replacement.

    values: one a setting, in the order in which they would be picked, the first choice first. With count = 1 their
    mean, with all of them the first.
    """
    total = math.comb(len(values), count)
    return sum(math.comb(len(values) - 1 - k, count - 1) * value for k, value in enumerate(values)) / total


def image_interval(values: NDArray[np.float64], level: float, draws: int) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean over images, shape (N,): other test images, the same encoders.

    Few distinct values occur, so the numbers of times that each is drawn are drawn instead of N images.
    """
    distinct, counts = np.unique(values, return_counts=True)
    drawn = np.random.default_rng(0).multinomial(len(values), counts / len(values), size=draws)
    low, high = np.quantile(drawn @ distinct / len(values), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
