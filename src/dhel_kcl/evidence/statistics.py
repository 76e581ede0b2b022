"""The statistics that the claims' statements are judged by, and whether a suite can tell them.

A statistic compares two losses, the first less the second, or the two sides of a possible cause. Each has `testable`,
which asks the suite alone, `estimate`, which asks its runs, and `planned`, which asks how precise it will be;
docs/claims.md derives them. A new one is an entry in `OF_PAIRS` or `OF_CAUSES`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import pandas as pd

from dhel_kcl.evidence import causes, grids
from dhel_kcl.evidence.causes import Change
from dhel_kcl.evidence.dataset_runs import DatasetRuns, Finding, Pair
from dhel_kcl.evidence.estimates import Estimate, planned_df, satterthwaite
from dhel_kcl.evidence.tidy import where
from dhel_kcl.evidence.wording import NOT_IN_THIS_SUITE
from dhel_kcl.study.suite import Suite

Spread = Callable[[int], float]
"""Standard deviation of a run over seeds at a batch size."""
BORROWED = "one seed a grid point, noise of the selected settings: too narrow an interval if other points are noisier"


class Statistic(Protocol):
    def testable(self, suite: Suite, dataset: str, pair: Pair, seeds: int) -> bool:
        """Whether the suite, once finished, has what it needs: batch sizes, equal grids, at least so many seeds."""
        ...

    def used(self, runs: DatasetRuns, pair: Pair) -> pd.DataFrame:
        """The runs that it rests on, selection included."""
        ...

    def estimate(self, runs: DatasetRuns, pair: Pair, column: str) -> Finding:
        """Estimate of the difference in a column of runs.csv."""
        ...

    def planned(self, suite: Suite, dataset: str, pair: Pair, spread: Spread) -> Estimate:
        """Error and degrees of freedom that it will have, about 0, if a run has this spread and pairing by seed gains
        nothing."""
        ...


def _compares(suite: Suite, dataset: str, pair: Pair) -> bool:
    """Whether a data set has both losses, tuned over grids of one size."""
    losses = [name for name, method in suite.methods_of(dataset).items() if method.section == "losses"]
    return pair.within(losses) and not grids.unequal(suite, dataset, (pair.of, pair.against))


def _of_pair(runs: DatasetRuns, pair: Pair) -> pd.DataFrame:
    return runs.runs[runs.runs.method.isin([pair.of, pair.against])]


def _unequal(runs: DatasetRuns, pair: Pair) -> tuple[str, ...]:
    return tuple(filter(None, [grids.unequal(runs.suite, runs.dataset, (pair.of, pair.against))]))


@dataclass(frozen=True)
class Contrast:
    """Weighted sum of the differences between two losses at each batch size, means over the seeds of the selected
    settings.

    weights: by ascending batch size, for a number of them. least_sizes: batch sizes that it needs. averaged: whether it
    is the mean over batch sizes.
    """

    weights: Callable[[int], list[float]]
    least_sizes: int
    averaged: bool

    def testable(self, suite: Suite, dataset: str, pair: Pair, seeds: int) -> bool:
        enough = len(suite.settings(dataset).batch_sizes) >= self.least_sizes
        return enough and _compares(suite, dataset, pair) and len(suite.judged_seeds(dataset)) >= seeds

    def used(self, runs: DatasetRuns, pair: Pair) -> pd.DataFrame:
        return _of_pair(runs, pair)

    def estimate(self, runs: DatasetRuns, pair: Pair, column: str) -> Finding:
        sizes = runs.common_sizes(pair)
        if len(sizes) < self.least_sizes:
            few = len(runs.sizes) < self.least_sizes
            return Finding(Estimate(math.nan), note="needs two batch sizes" if few else "")
        weights = dict(zip(sizes, self.weights(len(sizes)), strict=True))
        short = runs.over_seeds(pair, weights, column, short=True)
        return Finding(
            runs.over_seeds(pair, weights, column),
            {f"M = {m}": runs.over_seeds(pair, {m: 1.0}, column) for m in sizes},
            self.averaged,
            runs.over_images(pair, weights) if column == "test_accuracy" else (math.nan, math.nan),
            short=None if math.isnan(short.value) else short,
            hindrances=(*runs.without(pair, sizes), *_unequal(runs, pair)),
        )

    def planned(self, suite: Suite, dataset: str, pair: Pair, spread: Spread) -> Estimate:
        sizes, seeds = sorted(suite.settings(dataset).batch_sizes), len(suite.judged_seeds(dataset))
        weights = zip(sizes, self.weights(len(sizes)), strict=True)
        variances = [2 * (weight * spread(size)) ** 2 / seeds for size, weight in weights]
        return Estimate(0.0, math.sqrt(sum(variances)), planned_df(variances, [seeds - 1] * len(sizes)), seeds)


def level(count: int) -> list[float]:
    """Mean over batch sizes."""
    return [1 / count] * count


def interaction(count: int) -> list[float]:
    """Difference at the smallest batch size, less the mean difference at the others."""
    return [1.0, *[-1 / (count - 1)] * (count - 1)]


@dataclass(frozen=True)
class OverGrid:
    """Mean over batch sizes of a statistic of the grid, whose points have one seed each: the noise of a run is that of
    the selected settings.

    tuned: whether each setting counts at its best learning rate on validation alone, else all points count. statistic:
    of a column of the points that count. share: its variance by their number, in variances of a run.
    """

    tuned: bool
    statistic: Callable[[pd.DataFrame, str], float]
    share: Callable[[int], float]

    def testable(self, suite: Suite, dataset: str, pair: Pair, seeds: int) -> bool:
        if not _compares(suite, dataset, pair):
            return False
        settings, points = grids.size(grids.asked(suite, dataset, pair.of))
        sizes, further = len(suite.settings(dataset).batch_sizes), len(suite.settings(dataset).seeds.selected)
        return not self._lacks(settings, points) and further > 0 and sizes * further + 1 >= seeds

    def used(self, runs: DatasetRuns, pair: Pair) -> pd.DataFrame:
        return where(_of_pair(runs, pair), section="losses")

    def estimate(self, runs: DatasetRuns, pair: Pair, column: str) -> Finding:
        keys = {size: [(method, size) for method in (pair.of, pair.against)] for size in runs.sizes}
        grids_of, there = runs.whole_grids, runs.whole_grids.keys()
        both = {size: [grids_of[key] for key in of] for size, of in keys.items() if there >= set(of)}
        hindrances = _unequal(runs, pair)
        if not both or hindrances:
            return Finding(Estimate(math.nan, seeds=min(1, len(both))), hindrances=hindrances)
        settings, points = grids.size(grids.asked(runs.suite, runs.dataset, pair.of))
        if lacks := self._lacks(settings, points):
            return Finding(Estimate(math.nan), note=lacks)
        noises = [runs.noise(method, column) for method in (pair.of, pair.against)]
        share, seeds = self.share(settings if self.tuned else points), min(noise.seeds for noise in noises)
        variances = [noise.variance * share for noise in noises]
        df = satterthwaite(variances, [noise.df for noise in noises]) if sum(variances) > 0 else math.nan
        components = {
            f"M = {size}": Estimate(self._difference(column, *grid), math.sqrt(sum(variances)), df, seeds)
            for size, grid in both.items()
        }
        value = float(np.mean([component.value for component in components.values()]))
        result = Estimate(value, math.sqrt(sum(variances) / len(both)), df, seeds)
        return Finding(result, components, averaged=True, note=BORROWED, hindrances=runs.without(pair, both))

    def _lacks(self, settings: int, points: int) -> str:
        """Why nothing can be drawn from such a grid, if so."""
        if settings < 2:
            return "one setting in the grid"
        return "" if self.tuned or points > settings else "one learning rate in the grid"

    def _difference(self, column: str, first: pd.DataFrame, second: pd.DataFrame) -> float:
        of, against = (best_rates(points) if self.tuned else points for points in (first, second))
        return self.statistic(of, column) - self.statistic(against, column)

    def planned(self, suite: Suite, dataset: str, pair: Pair, spread: Spread) -> Estimate:
        settings, points = grids.size(grids.asked(suite, dataset, pair.of))
        sizes = suite.settings(dataset).batch_sizes
        df = len(sizes) * len(suite.settings(dataset).seeds.selected)
        variance = np.mean([spread(size) ** 2 for size in sizes]) * self.share(settings if self.tuned else points)
        return Estimate(0.0, math.sqrt(2 * variance / len(sizes)), planned_df([1, 1], [df, df]), df + 1)


def in_order_of_choice(points: pd.DataFrame) -> pd.DataFrame:
    """Best on validation first, ties by cross-entropy, then as in the grid."""
    columns = ["validation_accuracy", "validation_cross_entropy"]
    return points.sort_values(columns, ascending=[False, True], kind="stable")


def best_rates(points: pd.DataFrame) -> pd.DataFrame:
    """Each setting of a grid at its best learning rate on validation, in the order of choice."""
    ordered = in_order_of_choice(points)
    return ordered[~grids.parameters(ordered).map(grids.setting).duplicated()]


def mean_of_grid(points: pd.DataFrame, column: str) -> float:
    """What a point drawn at random is expected to give."""
    return float(points[column].mean())


def worst_of_grid(points: pd.DataFrame, column: str) -> float:
    """Value at the point that is worst on validation."""
    return float(in_order_of_choice(points)[column].iloc[-1])


@dataclass(frozen=True)
class Step:
    """What a change does, on average over the settings that differ in nothing else, at the length that the suite's
    `training` gives: at the same learning rates, and with each side at its own best one.

    change: from the points of that length.
    """

    change: Callable[[pd.DataFrame], Change]

    def settings(self, asked: pd.DataFrame) -> causes.Settings:
        """Of the points that a suite asks for."""
        main = asked[asked.main]
        return causes.settings(main, self.change(main))

    def testable(self, suite: Suite, dataset: str, pair: Pair, seeds: int) -> bool:
        settings = self.settings(causes.planned(suite, dataset))
        return min(settings.seeds, default=0) >= seeds and not settings.unequal

    def used(self, runs: DatasetRuns, pair: Pair) -> pd.DataFrame:
        settings = self.settings(runs.causes.planned)
        return runs.causes.runs[runs.causes.runs.point.isin([*settings.of.flat, *settings.against.flat])]

    def estimate(self, runs: DatasetRuns, pair: Pair, column: str) -> Finding:
        settings = self.settings(runs.causes.planned)
        if settings.common.empty:
            return Finding(Estimate(math.nan), note=NOT_IN_THIS_SUITE)
        equal, retuned = (
            _averaged(effects(runs.causes, settings, column)) for effects in (causes.at_equal_rates, causes.retuned)
        )
        return replace(equal, retuned=retuned, hindrances=(*equal.hindrances, *settings.unequal))

    def planned(self, suite: Suite, dataset: str, pair: Pair, spread: Spread) -> Estimate:
        """Retuned, which has a run of each side in a setting, and settings of a seed as independent."""
        seeds = self.settings(causes.planned(suite, dataset)).seeds
        error = spread(causes.batch_size(suite, dataset)) * math.sqrt(sum(2 / count for count in seeds)) / len(seeds)
        return Estimate(0.0, error, min(seeds) - 1, min(seeds))


def _averaged(effects: pd.DataFrame) -> Finding:
    """Mean over settings, of the seeds that have them all, with each setting's own effect."""
    return Finding(causes.mean_effect(effects), causes.by_setting(effects), True, hindrances=causes.lacking(effects))


OF_PAIRS: dict[str, Statistic] = {
    "level": Contrast(level, least_sizes=1, averaged=True),
    "interaction": Contrast(interaction, least_sizes=2, averaged=False),
    "tuned_mean": OverGrid(True, mean_of_grid, share=lambda points: 1 / points),
    "tuned_worst": OverGrid(True, worst_of_grid, share=lambda points: 1.0),
    "grid_mean": OverGrid(False, mean_of_grid, share=lambda points: 1 / points),
}
OF_CAUSES: dict[str, Step] = {
    "positive": Step(lambda asked: Change("loss", "dcl", "simclr")),
    "cross_view": Step(lambda asked: Change("loss", "dhel-mean", "dcl")),
    "weight": Step(lambda asked: Change("weight", 2.0, 1.0, within={"loss": "dhel-mean"})),
    "temperature": Step(lambda asked: Change("temperature", asked.temperature.min(), asked.temperature.max())),
}
STATISTICS: dict[str, Statistic] = {**OF_PAIRS, **OF_CAUSES}
"""By their names in claims.yaml."""
