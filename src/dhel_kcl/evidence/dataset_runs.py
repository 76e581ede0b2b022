"""A suite's runs on one data set as statistics need them, and the shape of what statistics say."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from dhel_kcl.evidence import grids
from dhel_kcl.evidence.causes import Points
from dhel_kcl.evidence.estimates import Estimate, contrast, image_interval
from dhel_kcl.evidence.tidy import Results, where
from dhel_kcl.study.suite import Suite

Weights = dict[int, float]
"""{batch size: weight} of a contrast between two losses."""


@dataclass(frozen=True)
class Pair:
    """Two losses by their names in a suite, of which the first less the second is taken; both empty for causes, whose
    statistics say themselves what they compare."""

    of: str = ""
    against: str = ""

    def within(self, methods: Iterable[str]) -> bool:
        """Whether all that the pair names is there."""
        return {self.of, self.against} - {""} <= set(methods)


@dataclass(frozen=True)
class Rules:
    """What holds for every statistic.

    confidence: of intervals. minimum_seeds: fewer give no verdict. draws: of the bootstrap over test images.
    """

    confidence: float
    minimum_seeds: int
    draws: int


@dataclass(frozen=True)
class Finding:
    """What the runs say on a statement.

    components: the estimates at each batch size or setting. averaged: whether the result is their mean, so that some of
    them may lie on its other side. images: interval of the result over draws of the test images. short: the result
    where the selected settings were trained as long as the grid, if they were trained longer besides. retuned: of a
    cause, with each side at its own best learning rate instead of the same one; a verdict needs both. note: what a
    reader must know beside the numbers. hindrances: why there can be no verdict, whatever the numbers.
    """

    result: Estimate
    components: dict[str, Estimate] = field(default_factory=dict)
    averaged: bool = False
    images: tuple[float, float] = (math.nan, math.nan)
    short: Estimate | None = None
    retuned: "Finding | None" = None
    note: str = ""
    hindrances: tuple[str, ...] = ()


@dataclass(frozen=True)
class Noise:
    """Variance of a run's value over seeds, with its degrees of freedom, which are those of as many `seeds` less one;
    of 1 seed if that is all that a batch size has."""

    variance: float
    df: int
    seeds: int


@dataclass(frozen=True)
class DatasetRuns:
    """A suite's runs on one data set."""

    results: Results
    dataset: str
    rules: Rules

    @property
    def suite(self) -> Suite:
        return self.results.suite

    @property
    def sizes(self) -> list[int]:
        """Batch sizes that the suite asks for, ascending."""
        return self.results.sizes(self.dataset)

    @cached_property
    def runs(self) -> pd.DataFrame:
        """Of the losses that are compared: without ablations, causes and floors."""
        runs = where(self.results.runs, dataset=self.dataset)
        return runs[runs.section.isin(["losses", "final"])]

    @cached_property
    def causes(self) -> Points:
        """Those of the section of this name."""
        return Points.read(self.results, self.dataset)

    @cached_property
    def unfinished(self) -> str:
        """How many runs are not there of the suite that the data set is in; empty if all are."""
        part = next(part for part in self.suite.parts if self.dataset in part.datasets)
        asked, there = len(part.runs), int(self.results.runs.dataset.isin(part.datasets).sum())
        return f"the suite is not finished: {asked - there} of {asked} runs are missing" if there < asked else ""

    @property
    def judged_section(self) -> str:
        return self.suite.judged_section(self.dataset)

    @cached_property
    def cells(self) -> dict[tuple[str, int], pd.DataFrame]:
        """{(method, batch size): the runs that verdicts rest on, by seed}."""
        return self._cells(self.judged_section)

    @cached_property
    def short_cells(self) -> dict[tuple[str, int], pd.DataFrame]:
        """The same of runs as long as the grid's, where the judged ones are longer; else none."""
        return self._cells("losses") if self.judged_section == "final" else {}

    def _cells(self, section: str) -> dict[tuple[str, int], pd.DataFrame]:
        """Runs of selected settings but for the grid's, by whose luck they were selected."""
        runs = where(self.runs, section=section, selected=True)
        cells = runs[runs.role != "grid"].groupby(["method", "batch_size"])
        return {key: group.set_index("seed") for key, group in cells}

    def common_sizes(self, pair: Pair) -> list[int]:
        """Batch sizes at which a seed of both losses was run at the selected setting."""
        seeds = {key: set(cell.index) for key, cell in self.cells.items()}
        return [m for m in self.sizes if seeds.get((pair.of, m), set()) & seeds.get((pair.against, m), set())]

    def without(self, pair: Pair, sizes: Iterable[int]) -> tuple[str, ...]:
        """What a statement on all batch sizes lacks if it has these alone."""
        lacking = [f"M = {size}" for size in self.sizes if size not in set(sizes)]
        both = " and ".join(self.suite.title(method) for method in (pair.of, pair.against))
        return (f"{both} have not both run at {', '.join(lacking)}",) if lacking else ()

    def over_seeds(self, pair: Pair, weights: Weights, column: str, short: bool = False) -> Estimate:
        """A contrast between two losses at their selected settings, paired by seed within each batch size."""
        cells, differences = self.short_cells if short else self.cells, {}
        for size, weight in weights.items():
            if not {(pair.of, size), (pair.against, size)} <= cells.keys():
                return Estimate(math.nan)
            difference = cells[pair.of, size][column] - cells[pair.against, size][column]  # NaN without the other
            differences[size] = weight * difference
        return contrast(pd.DataFrame(differences).to_numpy(float))

    def over_images(self, pair: Pair, weights: Weights) -> tuple[float, float]:
        """Interval of a contrast in test accuracy over draws of the test images."""
        correct, keys = self.results.correct, [(self.dataset, method) for method in (pair.of, pair.against)]
        if any((*key, size) not in correct for size in weights for key in keys):
            return math.nan, math.nan
        of, against = ([correct[*key, size] for size in weights] for key in keys)
        values = 100 * sum(w * (a - b) for w, a, b in zip(weights.values(), of, against, strict=True))
        return image_interval(np.asarray(values), self.rules.confidence, self.rules.draws)

    @cached_property
    def whole_grids(self) -> dict[tuple[str, int], pd.DataFrame]:
        """{(method, batch size): runs of the grid}, where all are there that the suite asks for."""
        found = where(self.runs, role="grid").groupby(["method", "batch_size"])
        asked = {method: len(grids.asked(self.suite, self.dataset, method)) for method in set(self.runs.method)}
        return {(method, size): points for (method, size), points in found if len(points) == asked[method]}

    def noise(self, method: str, column: str) -> Noise:
        """That of a run at the selected settings, pooled over batch sizes, among runs as long as the grid's."""
        runs = where(self.runs, method=method, section="losses", selected=True)
        by_size = runs.groupby("batch_size")[column]
        counts = by_size.size()
        df, least = int((counts - 1).sum()), int(counts.min()) if len(counts) == len(self.sizes) else 1
        if df < 1:
            return Noise(math.nan, 0, 1)
        squares = (runs[column] - by_size.transform("mean")) ** 2
        return Noise(float(squares.sum()) / df, df, df + 1 if least > 1 else 1)
