"""The statistics that the claims' statements are judged by, and whether a suite can tell them.

A statistic compares two losses, the first less the second, or two kinds of settings of the trade-off. Each has
`testable`, which asks the suite alone, and `estimate`, which asks its runs; docs/claims.md derives them. A new one is
an entry in `STATISTICS`.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dhel_kcl.evidence import causes
from dhel_kcl.evidence.estimates import Estimate, contrast, image_interval, satterthwaite
from dhel_kcl.evidence.tidy import Results
from dhel_kcl.study.suite import Suite

Array = NDArray[np.float64]
Weights = dict[tuple[str, int], float]
"""{(method, batch size): weight} of a contrast between selected settings."""
BORROWED = "one seed a grid point, noise of the selected settings"
POINTS = 50
"""At which two curves are compared, evenly over their common range (midpoint rule)."""


@dataclass(frozen=True)
class Pair:
    """Two losses by their names in a suite, of which the first less the second is taken; both empty for the
    trade-off, whose statistics say themselves what they compare."""

    of: str = ""
    against: str = ""

    def within(self, methods: Iterable[str]) -> bool:
        """Whether all that the pair names is there."""
        return {self.of, self.against} - {""} <= set(methods)


@dataclass(frozen=True)
class Rules:
    """How every statistic is computed.

    confidence: of intervals. least_overlap: of log alignment that two losses' curves must share to be compared at equal
    alignment. draws: of each bootstrap.
    """

    confidence: float
    least_overlap: float
    draws: int


@dataclass(frozen=True)
class Judged:
    """What the runs say on a statement.

    components: the estimates at each batch size, weight or temperature, to read beside the result. averaged: whether
    the result is their mean, so that some of them may lie on its other side. images: interval of the result over draws
    of the test images. settings: effects at each setting of a trade-off, mean over seeds.
    """

    result: Estimate
    components: dict[str, Estimate] = field(default_factory=dict)
    averaged: bool = False
    images: tuple[float, float] = (math.nan, math.nan)
    settings: tuple[float, ...] = ()


@dataclass(frozen=True)
class DatasetRuns:
    """A suite's runs on one data set, as statistics need them."""

    results: Results
    dataset: str
    rules: Rules

    @cached_property
    def runs(self) -> pd.DataFrame:
        """Of the losses, without ablations, trade-off and floors."""
        runs = self.results.runs
        return runs[(runs.dataset == self.dataset) & (runs.section == "losses")]

    @cached_property
    def selected(self) -> pd.DataFrame:
        return self.runs[self.runs.selected]

    @cached_property
    def cells(self) -> dict[tuple[str, int], pd.DataFrame]:
        """{(method, batch size): runs of the selected setting, by seed}."""
        cells = self.selected.groupby(["method", "batch_size"])
        return {key: group.set_index("seed") for key, group in cells}

    @property
    def sizes(self) -> list[int]:
        """Batch sizes that the suite asks for, ascending."""
        return self.results.sizes(self.dataset)

    def common_sizes(self, pair: Pair) -> list[int]:
        """Batch sizes at which a seed of both losses was run at the selected setting."""
        seeds = {key: set(cell.index) for key, cell in self.cells.items()}
        return [m for m in self.sizes if seeds.get((pair.of, m), set()) & seeds.get((pair.against, m), set())]

    def share(self, count: int) -> str:
        """At how many of the batch sizes, unless it is at all."""
        return "" if count == len(self.sizes) else f"at {count} of {len(self.sizes)} batch sizes"

    def over_seeds(self, weights: Weights, column: str) -> Estimate:
        """A contrast between selected settings, paired by seed within each batch size."""
        sizes = sorted({size for (_, size), weight in weights.items() if weight})
        if not sizes:
            seeds = min(len(self.cells[key]) for key in weights)
            return Estimate(math.nan, seeds=seeds, note="the same runs on both sides: nothing to compare")
        differences = {}
        for size in sizes:
            terms = [weight * self.cells[key][column] for key, weight in weights.items() if key[1] == size and weight]
            differences[size] = pd.concat(terms, axis=1, join="inner").sum(axis=1, skipna=False)
        table = pd.DataFrame(differences)
        fresh = table.drop(index=self.results.settings(self.dataset).seeds.grid, errors="ignore")
        return replace(contrast(table.to_numpy(float)), fresh=contrast(fresh.to_numpy(float)))

    def over_images(self, weights: Weights) -> tuple[float, float]:
        """Interval of a contrast in test accuracy over draws of the test images."""
        correct = self.results.correct
        if any((self.dataset, *key) not in correct for key in weights):
            return math.nan, math.nan
        values = sum(100 * weight * correct[(self.dataset, *key)] for key, weight in weights.items())
        return image_interval(np.asarray(values), self.rules.confidence, self.rules.draws, seed=0)

    def whole_grid(self, method: str, size: int) -> pd.DataFrame:
        """Grid runs of a loss at a batch size; none if there are fewer than the suite asks for, or than two."""
        asked, runs = self.results.suite.candidates(self.dataset, method, size), self.runs
        points = runs[(runs.role == "grid") & (runs.method == method) & (runs.batch_size == size)]
        return points if len(points) == len(asked) > 1 else points.iloc[:0]

    def noise(self, method: str, columns: list[str], log: tuple[str, ...] = ()) -> "Noise":
        """Noise of a run's values, or of the logarithm of some, at the selected settings, pooled over batch sizes."""
        here = self.selected[self.selected.method == method]
        values = here[columns].astype(float).assign(**{name: np.log(here[name]) for name in log})
        counts = here.groupby("batch_size").size()
        df, seeds = int((counts - 1).sum()), int(counts.min()) if len(counts) else 0
        if df < 1:
            return Noise(np.full((len(columns), len(columns)), math.nan), 0, seeds)
        residuals = (values - values.groupby(here.batch_size).transform("mean")).to_numpy()
        return Noise(residuals.T @ residuals / df, df, seeds)

    def curve(self, method: str, size: int, column: str) -> pd.DataFrame:
        """One row a setting: mean log alignment, mean rank, number of seeds; by rising alignment."""
        here = self.runs[(self.runs.method == method) & (self.runs.batch_size == size)]
        grouped = here.assign(log_alignment=np.log(here.z_alignment)).groupby("parameters")
        points = grouped.agg(log_alignment=("log_alignment", "mean"), rank=(column, "mean"), seeds=("seed", "size"))
        return points.sort_values("log_alignment")


@dataclass(frozen=True)
class Noise:
    """Covariance (columns, columns) of a run's values over seeds, its degrees of freedom, the fewest seeds of a batch
    size."""

    covariance: Array
    df: int
    seeds: int


class Statistic(Protocol):
    def testable(self, suite: Suite, dataset: str, pair: Pair, seeds: int) -> bool:
        """Whether the suite, once finished, has what it needs: batch sizes, grids, at least so many seeds."""
        ...

    def estimate(self, runs: DatasetRuns, pair: Pair, column: str) -> Judged:
        """Estimate of the difference in a column of runs.csv."""
        ...


def _has_seeds(suite: Suite, dataset: str, pair: Pair, seeds: int) -> bool:
    """Whether a data set's selected settings of both losses get so many seeds, that of the grid included."""
    losses = [name for name, method in suite.methods_of(dataset).items() if method.section == "losses"]
    return pair.within(losses) and 1 + len(suite.settings(dataset).seeds.selected) >= seeds


def _has_grid(suite: Suite, dataset: str, pair: Pair) -> bool:
    """Whether a setting of one of the two losses is chosen from several."""
    sizes = suite.settings(dataset).batch_sizes
    return any(len(suite.candidates(dataset, m, size)) > 1 for m in (pair.of, pair.against) for size in sizes)


@dataclass(frozen=True)
class Contrast:
    """Weighted sum of means over the seeds of selected settings.

    weights: of a pair, with what to say beside it; none where the pair has too few batch sizes. least_sizes: batch
    sizes that it needs. averaged: whether it is the mean over batch sizes.
    """

    weights: Callable[[DatasetRuns, Pair], tuple[Weights, str]]
    least_sizes: int
    averaged: bool

    def testable(self, suite: Suite, dataset: str, pair: Pair, seeds: int) -> bool:
        enough = len(suite.settings(dataset).batch_sizes) >= self.least_sizes
        return enough and _has_seeds(suite, dataset, pair, seeds)

    def estimate(self, runs: DatasetRuns, pair: Pair, column: str) -> Judged:
        weights, note = self.weights(runs, pair)
        if not weights:
            return Judged(Estimate(math.nan, note=note))
        result = runs.over_seeds(weights, column)
        result = replace(result, note=_joined(note, result.note))
        sizes = runs.common_sizes(pair)
        components = {f"M = {m}": runs.over_seeds(_differences(pair, {m: 1.0}), column) for m in sizes}
        if column != "test_accuracy" or math.isnan(result.value):
            return Judged(result, components, self.averaged)
        return Judged(result, components, self.averaged, images=runs.over_images(weights))


def level(runs: DatasetRuns, pair: Pair) -> tuple[Weights, str]:
    """Mean over batch sizes."""
    sizes = runs.common_sizes(pair)
    return _differences(pair, {size: 1 / len(sizes) for size in sizes}), runs.share(len(sizes))


def interaction(runs: DatasetRuns, pair: Pair) -> tuple[Weights, str]:
    """Difference at the smallest batch size, less the mean difference at the others."""
    sizes = runs.common_sizes(pair)
    if len(sizes) < 2:
        return {}, "needs two batch sizes"
    others = {size: -1 / (len(sizes) - 1) for size in sizes[1:]}
    return _differences(pair, {sizes[0]: 1.0} | others), runs.share(len(sizes))


def drop(runs: DatasetRuns, pair: Pair) -> tuple[Weights, str]:
    """Accuracy lost from the batch size that is best on validation to the smallest."""
    sizes = runs.common_sizes(pair)
    if len(sizes) < 2:
        return {}, "needs two batch sizes"
    weights: Weights = {}
    best = {}
    for method, sign in ((pair.of, 1.0), (pair.against, -1.0)):
        here = runs.selected[(runs.selected.method == method) & runs.selected.batch_size.isin(sizes)]
        best[method] = here.groupby("batch_size").validation_accuracy.mean().idxmax()
        for size, weight in ((best[method], sign), (sizes[0], -sign)):
            weights[method, size] = weights.get((method, size), 0.0) + weight
    return weights, _joined(runs.share(len(sizes)), f"best M: {best[pair.of]} and {best[pair.against]}")


@dataclass(frozen=True)
class OverGrid:
    """Mean over batch sizes of a statistic of the grid, whose points have one seed each: the noise of a run is that of
    the selected settings.

    statistic: of a column of the grid's runs. share: its variance by the number of grid points, in variances of a run.
    """

    statistic: Callable[[pd.DataFrame, str], float]
    share: Callable[[int], float]

    def testable(self, suite: Suite, dataset: str, pair: Pair, seeds: int) -> bool:
        return _has_seeds(suite, dataset, pair, seeds) and _has_grid(suite, dataset, pair)

    def estimate(self, runs: DatasetRuns, pair: Pair, column: str) -> Judged:
        grids = [(runs.whole_grid(pair.of, size), runs.whole_grid(pair.against, size)) for size in runs.sizes]
        grids = [(first, second) for first, second in grids if len(first) and len(second)]
        if not grids:
            return Judged(Estimate(math.nan, note="no complete grid of both"))
        counts = {(len(first), len(second)) for first, second in grids}
        if unequal := [count for count in counts if count[0] != count[1]]:
            note = f"grids of {unequal[0][0]} and {unequal[0][1]} points do not compare"
            return Judged(Estimate(math.nan, seeds=1, note=note))
        differences = [self.statistic(first, column) - self.statistic(second, column) for first, second in grids]
        noises = [runs.noise(method, [column]) for method in (pair.of, pair.against)]
        mean_share = np.mean([self.share(points) for points, _ in counts])
        variances = [noise.covariance[0, 0] * mean_share / len(differences) for noise in noises]
        df = satterthwaite(variances, [noise.df for noise in noises]) if sum(variances) > 0 else math.nan
        seeds, note = max(1, min(noise.seeds for noise in noises)), _joined(runs.share(len(differences)), BORROWED)
        return Judged(Estimate(float(np.mean(differences)), math.sqrt(sum(variances)), df, seeds, note))


def mean_of_grid(points: pd.DataFrame, column: str) -> float:
    """What a setting drawn at random is expected to give."""
    return points[column].mean()


def worst_of_grid(points: pd.DataFrame, column: str) -> float:
    """Value at the setting that is worst on validation."""
    by = ["validation_accuracy", "validation_cross_entropy"]
    return points.sort_values(by, ascending=[True, False])[column].iloc[0]


@dataclass(frozen=True)
class AtEqualAlignment:
    """Mean difference of two curves of rank against log alignment, over the range of alignment that both reach.

    A curve joins a loss's settings at one batch size, each a mean over its seeds. The error is that of curves whose
    points are drawn anew with the noise of a run.
    """

    def testable(self, suite: Suite, dataset: str, pair: Pair, seeds: int) -> bool:
        return _has_seeds(suite, dataset, pair, seeds) and _has_grid(suite, dataset, pair)

    def estimate(self, runs: DatasetRuns, pair: Pair, column: str) -> Judged:
        methods = (pair.of, pair.against)
        noises = [runs.noise(method, ["z_alignment", column], log=("z_alignment",)) for method in methods]
        seeds = max(1, min(noise.seeds for noise in noises))
        curves = [[runs.curve(method, size, column) for method in methods] for size in runs.sizes]
        curves = [both for both in curves if min(map(len, both)) > 1]
        if not curves:
            return Judged(Estimate(math.nan, note="needs two settings of each loss"))
        near = [both for both in curves if _overlap(*map(_points, both)) >= runs.rules.least_overlap]
        if not near:
            return Judged(Estimate(math.nan, seeds=seeds, note="the two losses do not reach the same alignment"))
        value = float(np.mean([_between(*map(_points, both)) for both in near]))
        note = _joined(runs.share(len(near)), BORROWED)
        if any(noise.df < 1 for noise in noises):
            return Judged(Estimate(value, seeds=seeds, note=note))
        rng, drawn = np.random.default_rng(0), []
        for both in near:
            moved = [_drawn_anew(*curve, runs.rules.draws, rng) for curve in zip(both, noises, strict=True)]
            drawn.append([_between(*once) for once in zip(*moved, strict=True)])
        error = float(np.nanstd(np.mean(drawn, axis=0), ddof=1))
        return Judged(Estimate(value, error, min(noise.df for noise in noises), seeds, note))


def _points(curve: pd.DataFrame) -> Array:
    """Log alignment and rank of each setting, shape (K, 2)."""
    return curve[["log_alignment", "rank"]].to_numpy()


def _drawn_anew(curve: pd.DataFrame, noise: Noise, draws: int, rng: np.random.Generator) -> Array:
    """Curves through points with the noise of a mean over their seeds, shape (draws, K, 2)."""
    errors = rng.multivariate_normal(np.zeros(2), noise.covariance, size=(draws, len(curve)))
    return _points(curve) + errors / np.sqrt(curve.seeds.to_numpy())[:, None]


@dataclass(frozen=True)
class Effect:
    """What a change of one factor of the trade-off does, all else equal, on average over settings.

    factor: "loss", "weight" or "temperature". levels: the two values that are compared, from all that the suite asks
    for. by: the factor at whose values the effect is shown.
    """

    factor: str
    levels: Callable[[pd.Series], tuple[causes.Level, causes.Level]]
    by: str

    def testable(self, suite: Suite, dataset: str, pair: Pair, seeds: int) -> bool:
        of, against = self._compared(suite, dataset)
        some = len(causes.compared(suite, dataset, self.factor, of, against)) > 0
        return some and len(causes.seeds(suite, dataset)) >= seeds

    def estimate(self, runs: DatasetRuns, pair: Pair, column: str) -> Judged:
        of, against = self._compared(runs.results.suite, runs.dataset)
        effects = causes.effects(runs.results, runs.dataset, column, self.factor, of, against)
        result, settings = causes.mean_effect(effects), tuple(effects.mean().dropna())
        if math.isnan(result.value):
            return Judged(result, settings=settings)
        by_setting = effects.dropna().mean()
        note = f"from {by_setting.min():+.2f} to {by_setting.max():+.2f} by setting"
        components = causes.by_factor(effects, self.by)
        return Judged(replace(result, note=note), components, averaged=True, settings=settings)

    def _compared(self, suite: Suite, dataset: str) -> tuple[causes.Level, causes.Level]:
        return self.levels(causes.planned(suite, dataset)[self.factor])


def lowest_and_highest(asked: pd.Series) -> tuple[float, float]:
    return asked.min(), asked.max()


OF_PAIRS: dict[str, Statistic] = {
    "level": Contrast(level, least_sizes=1, averaged=True),
    "drop": Contrast(drop, least_sizes=2, averaged=False),
    "interaction": Contrast(interaction, least_sizes=2, averaged=False),
    "grid_mean": OverGrid(mean_of_grid, share=lambda points: 1 / points),
    "grid_worst": OverGrid(worst_of_grid, share=lambda points: 1.0),
    "rank_at_alignment": AtEqualAlignment(),
}
OF_CAUSES: dict[str, Statistic] = {
    "decoupling": Effect("loss", lambda asked: ("dhel-mean", "dcl"), by="weight"),
    "weight": Effect("weight", lambda asked: (2.0, 1.0), by="temperature"),
    "temperature": Effect("temperature", lowest_and_highest, by="weight"),
}
STATISTICS = OF_PAIRS | OF_CAUSES
"""By their names in claims.yaml."""


def _joined(*notes: str) -> str:
    return "; ".join(filter(None, notes))


def _differences(pair: Pair, by_size: dict[int, float]) -> Weights:
    return {(method, m): s * w for m, w in by_size.items() for method, s in ((pair.of, 1), (pair.against, -1))}


def _overlap(first: Array, second: Array) -> float:
    """Length of the range of x that two curves through points (K, 2) share; negative for a gap between them."""
    x, other = first[:, 0], second[:, 0]
    return float(min(x.max(), other.max()) - max(x.min(), other.min()))


def _between(first: Array, second: Array) -> float:
    """Mean vertical distance of two curves through points (K, 2), over their common range; NaN if there is none."""
    first, second = (points[points[:, 0].argsort()] for points in (first, second))
    if _overlap(first, second) <= 0:
        return math.nan
    low, high = max(first[0, 0], second[0, 0]), min(first[-1, 0], second[-1, 0])
    x = low + (high - low) * (np.arange(POINTS) + 0.5) / POINTS
    return float(np.mean(np.interp(x, *first.T) - np.interp(x, *second.T)))
