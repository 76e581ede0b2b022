"""What a suite's results say about each claim of the paper: estimate, interval and verdict of each statement."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from dhel_kcl.evidence.estimates import Estimate, holm
from dhel_kcl.evidence.ledger import Ledger, Statement
from dhel_kcl.evidence.statistics import DatasetRuns, Judged, Pair
from dhel_kcl.evidence.tidy import Results
from dhel_kcl.presentation.verdict_words import CONTRADICTED, NOT_DISTINGUISHABLE, NOT_RUN, SUPPORTED
from dhel_kcl.study.suite import Suite

COLUMNS = ["claim", "id", "dataset", "of", "against", "statement", "source", "unit", "direction", "threshold", "margin"]
COLUMNS += ["estimate", "low", "high", "df", "seeds", "minimum_seeds", "p", "p_holm", "components", "equivalent"]
COLUMNS += ["blocked_low", "blocked_high", "blocked_p_holm", "fresh_estimate", "fresh_low", "fresh_high"]
COLUMNS += ["images_low", "images_high", "verdict", "note"]
"""Of claims.csv."""

Row = dict[str, Any]
"""One row of claims.csv, by column."""


@dataclass(frozen=True)
class Case:
    """A statement on one pair of losses and data set, with what its runs say.

    testable: whether the suite, once finished, can judge it.
    """

    statement: Statement
    dataset: str
    pair: Pair
    judged: Judged
    testable: bool


def judge(results: Results, ledger: Ledger) -> pd.DataFrame:
    """One row a statement, pair of losses and data set. Verdicts come from Holm's p-values over all those that the
    suite can test, whether they have run yet or not."""
    confidence = ledger.rules.confidence
    cases = [case for dataset in results.datasets for case in _cases(results, dataset, ledger)]
    rows = [_words(case, results.suite) | _numbers(case, confidence) for case in cases]
    family = [row for row, case in zip(rows, cases, strict=True) if case.testable]
    for p in ("p", "blocked_p"):
        for row, adjusted in zip(family, holm([row[p] for row in family]), strict=True):
            row[f"{p}_holm"] = adjusted
    for row, case in zip(rows, cases, strict=True):
        p_holm = row.get("p_holm", math.nan)
        row["verdict"] = verdict(case.judged.result, p_holm, case.statement, 1 - confidence)
        row["note"] = "; ".join([*filter(None, [case.judged.result.note]), *_remarks(row, case, confidence)])
        if case.judged.result.blocked is None:  # in the family above, but no other p than the first
            row["blocked_p_holm"] = math.nan
    return pd.DataFrame(rows).reindex(columns=COLUMNS).sort_values("claim", kind="stable")


def verdict(result: Estimate, adjusted: float, statement: Statement, alpha: float) -> str:
    """The verdict by an adjusted p."""
    if result.seeds == 0:
        return NOT_RUN
    if result.seeds < statement.minimum_seeds or not adjusted < alpha:
        return NOT_DISTINGUISHABLE
    above = result.value > statement.threshold
    return SUPPORTED if above == (statement.direction == "greater") else CONTRADICTED


def _cases(results: Results, dataset: str, ledger: Ledger) -> Iterator[Case]:
    runs, losses = DatasetRuns(results, dataset, ledger.rules), results.methods("losses", dataset)
    asked = [(statement, pair) for statement in ledger.statements for pair in ledger.pairs]
    if dataset in results.datasets_of("causes"):
        asked += [(statement, Pair()) for statement in ledger.causes]
    for statement, pair in asked:
        if not pair.within(losses):
            absent = Judged(Estimate(math.nan, note="not in this suite"))
            yield Case(statement, dataset, pair, absent, testable=False)
            continue
        judged = statement.statistic.estimate(runs, pair, statement.column)
        testable = statement.statistic.testable(results.suite, dataset, pair, statement.minimum_seeds)
        yield Case(statement, dataset, pair, judged, testable)


def _words(case: Case, suite: Suite) -> Row:
    """What is stated, of what."""
    statement, pair = case.statement, case.pair
    of, against = (suite.title(name) if name in suite.methods else name for name in (pair.of, pair.against))
    return {
        "claim": statement.claim,
        "id": statement.id,
        "dataset": case.dataset,
        "of": pair.of,
        "against": pair.against,
        "statement": statement.text.format(of=of, against=against),
        "source": statement.source,
        "unit": statement.unit,
        "direction": statement.direction,
        "threshold": statement.threshold,
        "margin": statement.margin,
        "minimum_seeds": statement.minimum_seeds,
    }


def _numbers(case: Case, confidence: float) -> Row:
    """Estimates, intervals, p (only with enough seeds), and whether a difference of the margin is excluded."""
    statement, judged, result = case.statement, case.judged, case.judged.result
    enough, blocked = result.seeds >= statement.minimum_seeds, result.blocked or result
    low, high = result.interval(confidence)
    inner = result.interval(1 - 2 * (1 - confidence))  # two one-sided tests (Schuirmann 1987)
    away = [abs(end - statement.threshold) for end in inner]
    known = {name: each.value for name, each in judged.components.items() if not math.isnan(each.value)}
    row: Row = {
        "estimate": result.value,
        "low": low,
        "high": high,
        "df": result.df,
        "seeds": result.seeds,
        "p": result.p_value(statement.threshold) if enough else math.nan,
        "components": "; ".join(f"{name}: {value:+.2f}" for name, value in known.items()),
        "equivalent": bool(enough and max(away) < statement.margin),
        "blocked_p": blocked.p_value(statement.threshold) if enough else math.nan,
    }
    row["images_low"], row["images_high"] = judged.images
    if result.blocked is not None:
        row["blocked_low"], row["blocked_high"] = result.blocked.interval(confidence)
    if result.fresh is not None:
        row["fresh_estimate"] = result.fresh.value
        row["fresh_low"], row["fresh_high"] = result.fresh.interval(confidence)
    return row


def _remarks(row: Row, case: Case, confidence: float) -> list[str]:
    """What limits a verdict."""
    result, minimum = case.judged.result, case.statement.minimum_seeds
    if math.isnan(result.value):
        return []
    if result.seeds < minimum:
        return [f"too few seeds: {result.seeds} of {minimum}"]
    if not result.error > 0:
        return ["no spread between seeds to judge by"]
    return [*_on_size(row, case, confidence), *_on_units(row, case, confidence)]


def _on_size(row: Row, case: Case, confidence: float) -> Iterator[str]:
    """Remarks on where the effect lies."""
    judged, threshold = case.judged, row["threshold"]
    opposite = [
        name for name, each in judged.components.items() if _against(each, judged.result, threshold, confidence)
    ]
    if judged.averaged and opposite:
        yield f"the opposite at {', '.join(opposite)}"
    if row["equivalent"]:
        yield f"the {2 * confidence - 1:.0%} interval lies within ±{row['margin']:g} {row['unit']}"
    if row["verdict"] == NOT_DISTINGUISHABLE and not row["low"] <= threshold <= row["high"]:
        yield f"p = {row['p']:.2g} alone, {row['p_holm']:.2g} among all statements"


def _on_units(row: Row, case: Case, confidence: float) -> Iterator[str]:
    """Remarks on what other units than runs would give: whole seeds, test images."""
    result, blocked = case.judged.result, row.get("blocked_p_holm", math.nan)
    if math.isnan(blocked) and not math.isnan(row.get("p_holm", math.nan)):
        yield "no two seeds were run at every batch size"
    elif (ruled := verdict(result, blocked, case.statement, 1 - confidence)) != row["verdict"]:
        yield f"with whole seeds as the unit {ruled} (p = {blocked:.2g})"
    if row["verdict"] in (SUPPORTED, CONTRADICTED) and row["images_low"] <= row["threshold"] <= row["images_high"]:
        yield f"the {confidence:.0%} interval over test images includes {row['threshold']:g}"


def _against(component: Estimate, whole: Estimate, threshold: float, level: float) -> bool:
    """Whether a component lies, by its own interval, on the other side of the threshold than the whole."""
    low, high = component.interval(level)
    return high < threshold < whole.value or whole.value < threshold < low
