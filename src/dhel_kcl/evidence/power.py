"""The smallest true effects that a suite's statements can be expected to see, before it is run."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pandas as pd
from scipy.special import nctdtrinc, stdtrit

from dhel_kcl.evidence import grids
from dhel_kcl.evidence.estimates import Estimate
from dhel_kcl.evidence.ledger import Ledger, Statement
from dhel_kcl.evidence.statistics import OF_CAUSES
from dhel_kcl.evidence.tidy import CONFIGURATION, Results
from dhel_kcl.evidence.verdicts import family_size, kind_in
from dhel_kcl.study.suite import Suite, dataset_title

POWER = 0.8


@dataclass(frozen=True)
class Sight:
    """What a statement of a suite can see: the least true difference from its threshold that gets a verdict with
    probability `POWER`, among so many tests of its kind in the suite."""

    statement: Statement
    dataset: str
    kind: str
    planned: Estimate
    tests: int
    smallest: float


def smallest_effect(planned: Estimate, tests: int, alpha: float, power: float = POWER) -> float:
    """The true effect that a two-sided t test at level alpha / tests, Holm's worst step, finds with this power and
    with its sign.

    planned: error of the estimate and its degrees of freedom.
    """
    critical = stdtrit(planned.df, 1 - alpha / tests / 2)
    return float(planned.error * nctdtrinc(planned.df, 1 - power, critical))


def sights(suite: Suite, ledger: Ledger, spreads: dict[str, "Spreads"]) -> Iterator[Sight]:
    """Of every statement that a suite can test, on the first pair of losses that it can test it on.

    spreads: of a run, by column of runs.csv.
    """
    seen, alpha = set(), 1 - ledger.rules.confidence
    for dataset in suite.datasets:
        for statement, pair in ledger.asked(True):
            statistic, minimum = statement.statistic, ledger.rules.minimum_seeds
            if (dataset, statement.id) in seen or not statistic.testable(suite, dataset, pair, minimum):
                continue
            seen.add((dataset, statement.id))
            planned = statistic.planned(suite, dataset, pair, spreads[statement.column].of)
            kind = kind_in(suite, dataset, statement)
            tests = family_size(suite, ledger, kind)
            # A cause is two tests which must both succeed; they do at least this often if each does so in 9 of 10.
            power = 1 - (1 - POWER) / (2 if statistic in OF_CAUSES.values() else 1)
            yield Sight(statement, dataset, kind, planned, tests, smallest_effect(planned, tests, alpha, power))


@dataclass(frozen=True)
class Spreads:
    """Standard deviation of a run over seeds, by batch size, and pooled over all for other batch sizes."""

    by_size: dict[int, float]
    pooled: float

    @classmethod
    def measured(cls, pilot: Results, column: str) -> "Spreads":
        """Of all runs of a pilot that differ in their seed alone. Raises ValueError if there are none such."""
        runs = pilot.runs.dropna(subset=[column]).assign(parameters=grids.parameters)
        runs = runs[runs.section != "floors"]
        groups = runs.groupby([*CONFIGURATION, "parameters"])[column]
        squares = (runs[column] - groups.transform("mean")) ** 2
        table = pd.DataFrame({"size": runs.batch_size, "squares": squares, "df": 1 - 1 / groups.transform("size")})
        sums = table.groupby("size").sum()
        sums = sums[sums.df > 0.5]  # sums of whole numbers, up to rounding
        if sums.empty:
            raise ValueError(f"{pilot.folder}/runs.csv has no two runs that differ in their seed alone, so no spread")
        by_size = {int(size): math.sqrt(row.squares / row.df) for size, row in sums.iterrows()}
        return cls(by_size, math.sqrt(sums.squares.sum() / sums.df.sum()))

    def of(self, size: int) -> float:
        return self.by_size.get(size, self.pooled)


def tabulate(found: Iterable[Sight]) -> pd.DataFrame:
    """One row a statement, as texts."""
    rows = [
        {
            "statement": each.statement.id,
            "data set": dataset_title(each.dataset),
            "kind": each.kind,
            "tests": str(each.tests),
            "error": f"{each.planned.error:.2f}",
            "df": f"{each.planned.df:.0f}",
            "smallest effect": f"{each.smallest:.2f}",
            "margin": f"{each.statement.margin:g} {each.statement.unit}",
            "sees the margin": "yes" if each.smallest <= each.statement.margin else "no",
        }
        for each in found
    ]
    return pd.DataFrame(rows)
