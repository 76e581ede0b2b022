"""What a suite's results say about each claim of the paper: estimate, interval and verdict of each statement."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from dhel_kcl.evidence import causes, grids, limits, status
from dhel_kcl.evidence.dataset_runs import DatasetRuns, Finding, Pair
from dhel_kcl.evidence.estimates import Estimate, holm
from dhel_kcl.evidence.ledger import Ledger, Statement
from dhel_kcl.evidence.status import Present
from dhel_kcl.evidence.tidy import Results
from dhel_kcl.evidence.wording import NOT_IN_THIS_SUITE, signed, with_interval, within_the_margin
from dhel_kcl.presentation.verdict_words import (
    CONFIRMATORY,
    CONTRADICTED,
    EXPLORATORY,
    MIXED,
    NO_VERDICT,
    NOT_DISTINGUISHABLE,
    NOT_RUN,
    SUPPORTED,
)
from dhel_kcl.study.suite import Suite

COLUMNS = (
    *("claim", "id", "dataset", "of", "against", "statement", "source", "unit", "direction", "threshold", "margin"),
    *("status", "status_reason"),
    *("estimate", "low", "high", "df", "seeds", "minimum_seeds", "p", "p_holm", "tests", "components", "equivalent"),
    *("retuned_estimate", "retuned_low", "retuned_high", "retuned_p", "retuned_components"),
    *("blocked_low", "blocked_high", "blocked_p_holm"),
    *("short_estimate", "short_low", "short_high"),
    *("images_low", "images_high"),
    *("verdict", "limits", "note"),
)
"""Of claims.csv."""

Row = dict[str, Any]
"""One row of claims.csv, by column."""
SELECTED_BY = ("validation_accuracy", "validation_cross_entropy")
"""Columns of runs.csv that settings and learning rates are chosen by."""
Sides = tuple[list[str], list[str]]
"""Names of what lies, by its own interval, above the threshold, and of what lies below."""


@dataclass(frozen=True)
class Case:
    """A statement on one pair of losses and data set, with what its runs say.

    testable: whether the suite, once finished, can judge it. used: the runs that it rests on. planned: whether the
    suite was. unfinished: what the suite lacks, in words. limits: hyperparameters at the edge of their grid.
    """

    statement: Statement
    dataset: str
    pair: Pair
    finding: Finding
    testable: bool
    used: pd.DataFrame
    planned: bool = False
    unfinished: str = ""
    limits: str = ""

    @property
    def unknown(self) -> int:
        """Number of runs whose value, or one that selects, is not finite."""
        columns = [self.statement.column, *SELECTED_BY]
        return int((~np.isfinite(self.used[columns].to_numpy(float))).any(axis=1).sum())

    @property
    def parts(self) -> list[Finding]:
        """The result, and the retuned one, which a verdict needs to agree."""
        return [self.finding, *filter(None, [self.finding.retuned])]

    @property
    def estimates(self) -> list[Estimate]:
        return [part.result for part in self.parts]

    @property
    def seeds(self) -> int:
        """The fewest of an estimate, where there is one: of a single seed there is none with rates retuned."""
        return min((result.seeds for result in self.estimates if result.seeds), default=0)


def judge(results: Results, ledger: Ledger, present: Present) -> pd.DataFrame:
    """One row a statement, pair of losses and data set. Verdicts come from Holm's p-values over all those of a kind
    that the suite can test, whether they have run yet or not."""
    cases = [case for dataset in results.datasets for case in _cases(results, dataset, ledger)]
    rows = [_words(case, results.suite, present) | _numbers(case, ledger) for case in cases]
    kinds = [kind_in(results.suite, case.dataset, case.statement) for case in cases]
    for kind in (CONFIRMATORY, EXPLORATORY):
        family = [row for row, case, its in zip(rows, cases, kinds, strict=True) if case.testable and its == kind]
        for p in ("p", "blocked_p"):
            for row, adjusted in zip(family, holm([row[p] for row in family]), strict=True):
                row |= {f"{p}_holm": adjusted, "tests": len(family)}
    for row, case in zip(rows, cases, strict=True):
        row["verdict"] = verdict(case, row.get("p_holm", math.nan), ledger)
        if case.finding.result.blocked is None:  # in the family above, but no other p than the first
            row["blocked_p_holm"] = math.nan
        row["note"] = "; ".join([*filter(None, [case.finding.note]), *_remarks(row, case, ledger)])
    return pd.DataFrame(rows).reindex(columns=list(COLUMNS)).sort_values("claim", kind="stable")


def kind_in(suite: Suite, dataset: str, statement: Statement) -> str:
    """Confirmatory or exploratory, which are corrected apart: in a suite that was not planned all are exploratory."""
    return statement.kind if suite.config_of(dataset).confirmatory else EXPLORATORY


def family_size(suite: Suite, ledger: Ledger, kind: str) -> int:
    """Number of tests among which Holm's correction is made, once a suite is finished."""
    minimum = ledger.rules.minimum_seeds
    return sum(
        kind_in(suite, dataset, statement) == kind and statement.statistic.testable(suite, dataset, pair, minimum)
        for dataset in suite.datasets
        for statement, pair in ledger.asked(causes.are_asked(suite, dataset))
    )


def verdict(case: Case, adjusted: float, ledger: Ledger) -> str:
    """The verdict by an adjusted p."""
    if not case.seeds:
        return NOT_RUN
    if hindrances(case, ledger):
        return NO_VERDICT
    alpha, statement = 1 - ledger.rules.confidence, case.statement
    above = case.finding.result.value > statement.threshold
    found = [above] if adjusted < alpha else []
    if any(mixed(sides, found) for sides in opposed(case, ledger)):
        return MIXED
    if not found:
        return NOT_DISTINGUISHABLE
    return SUPPORTED if above == (statement.direction == "greater") else CONTRADICTED


def hindrances(case: Case, ledger: Ledger) -> list[str]:
    """Why there is no verdict, whatever the numbers."""
    minimum = ledger.rules.minimum_seeds
    found = [case.unfinished] if case.planned and case.unfinished else []
    found += [f"values that are no numbers in {case.unknown} of {len(case.used)} runs"] if case.unknown else []
    found += [hindrance for part in case.parts for hindrance in part.hindrances]
    if case.seeds and case.seeds < minimum:
        found.append(f"too few seeds: {case.seeds} of {minimum}")
    elif case.seeds and not all(result.error > 0 for result in case.estimates):
        found.append("no spread between seeds to judge by")
    return list(dict.fromkeys(found))


def opposed(case: Case, ledger: Ledger, sharing: bool = True) -> Iterator[Sides]:
    """For each group of estimates that should agree, which lie on either side of the threshold by intervals of their
    own: batch sizes or settings, and the two ways to set the learning rate.

    The estimates of a group share the error of 1 - confidence (Bonferroni), so that a group whose true values all lie
    on one side seldom looks mixed. Statements share nothing: "mixed" takes a verdict away, and must not be harder to
    reach for being one of many. Without `sharing` the intervals are those that the ledger shows.
    """
    groups = [part.components for part in case.parts if part.averaged]
    if case.finding.retuned:
        groups.append({"equal rates": case.finding.result, "rates retuned": case.finding.retuned.result})
    for group in groups:
        known = {name: each for name, each in group.items() if each.seeds >= ledger.rules.minimum_seeds}
        level = 1 - (1 - ledger.rules.confidence) / (max(1, len(known)) if sharing else 1)
        ends = {name: each.interval(level) for name, each in known.items()}
        above = [name for name, (low, _) in ends.items() if low > case.statement.threshold]
        yield above, [name for name, (_, high) in ends.items() if high < case.statement.threshold]


def mixed(sides: Sides, found: list[bool]) -> bool:
    """Whether there are estimates on both sides. found: that of the whole, if it is on one: whether it is above."""
    above, below = sides
    return bool(above or True in found) and bool(below or False in found)


def _cases(results: Results, dataset: str, ledger: Ledger) -> Iterator[Case]:
    runs, losses = DatasetRuns(results, dataset, ledger.rules), results.methods("losses", dataset)
    for statement, pair in ledger.asked(causes.are_asked(results.suite, dataset)):
        if not pair.within(losses):
            absent = Finding(Estimate(math.nan), note=NOT_IN_THIS_SUITE)
            yield Case(statement, dataset, pair, absent, testable=False, used=runs.runs.iloc[:0])
            continue
        statistic = statement.statistic
        yield Case(
            statement,
            dataset,
            pair,
            statistic.estimate(runs, pair, statement.column),
            statistic.testable(results.suite, dataset, pair, ledger.rules.minimum_seeds),
            statistic.used(runs, pair),
            results.suite.config_of(dataset).confirmatory,
            runs.unfinished,
            limits.at_edges(runs, pair),
        )


def _words(case: Case, suite: Suite, present: Present) -> Row:
    """What is stated, of what, and whether it was planned."""
    statement, pair = case.statement, case.pair
    of, against = (suite.title(name) if name in suite.methods else name for name in (pair.of, pair.against))
    reasons = list(status.objections(statement, suite.config_of(case.dataset).confirmatory, case.used, present))
    return {
        "claim": statement.claim,
        "id": statement.id,
        "dataset": case.dataset,
        "of": pair.of,
        "against": pair.against,
        "statement": statement.text.format(of=of, against=against, equal=grids.equal_in(suite, case.dataset)),
        "source": statement.source,
        "unit": statement.unit,
        "direction": statement.direction,
        "threshold": statement.threshold,
        "margin": statement.margin,
        "status": EXPLORATORY if reasons else CONFIRMATORY,
        "status_reason": "; ".join(reasons),
        "limits": case.limits,
    }


def _numbers(case: Case, ledger: Ledger) -> Row:
    """Estimates, intervals, p (where there can be a verdict), and whether a difference of the margin is excluded."""
    confidence, threshold, finding = ledger.rules.confidence, case.statement.threshold, case.finding
    result, enough = finding.result, bool(case.seeds) and not hindrances(case, ledger)
    row: Row = {
        "estimate": result.value,
        **_interval("", result, confidence),
        "df": result.df,
        "seeds": case.seeds,
        "minimum_seeds": ledger.rules.minimum_seeds,
        "p": both_differ(case.estimates, threshold) if enough else math.nan,
        "components": _listed(finding, confidence),
        "equivalent": enough and all(counts_as_none(each, case.statement, ledger) for each in case.estimates),
        "blocked_p": both_differ([each.blocked or each for each in case.estimates], threshold) if enough else math.nan,
        "images_low": finding.images[0],
        "images_high": finding.images[1],
    }
    if result.blocked is not None:
        row |= _interval("blocked_", result.blocked, confidence)
    if finding.short is not None:
        row |= {"short_estimate": finding.short.value} | _interval("short_", finding.short, confidence)
    if finding.retuned is not None:
        retuned = finding.retuned.result
        row |= {"retuned_estimate": retuned.value, "retuned_p": retuned.p_value(threshold) if enough else math.nan}
        row |= _interval("retuned_", retuned, confidence) | {"retuned_components": _listed(finding.retuned, confidence)}
    return row


def both_differ(estimates: list[Estimate], threshold: float) -> float:
    """p of the hypothesis that one of the true values is not on the side of the threshold where the estimates are: the
    largest (intersection-union test, Berger 1982); 1 if they are not on the same side."""
    if len({each.value > threshold for each in estimates}) > 1:
        return 1.0
    return max((each.p_value(threshold) for each in estimates), key=lambda p: (math.isnan(p), p))


def counts_as_none(estimate: Estimate, statement: Statement, ledger: Ledger) -> bool:
    """Whether an estimate excludes a difference as large as the margin, by two one-sided tests (Schuirmann 1987)."""
    inner = estimate.interval(2 * ledger.rules.confidence - 1)
    return max(abs(end - statement.threshold) for end in inner) < statement.margin


def _interval(prefix: str, estimate: Estimate, confidence: float) -> Row:
    low, high = estimate.interval(confidence)
    return {f"{prefix}low": low, f"{prefix}high": high}


def _listed(finding: Finding, confidence: float) -> str:
    """Components with their intervals: "M = 16: +1.20 (+0.40 to +2.00); ..."."""
    texts = []
    for name, each in finding.components.items():
        if not math.isnan(each.value):
            texts.append(f"{name}: {with_interval(each.value, *each.interval(confidence), 2)}")
    return "; ".join(texts)


def _remarks(row: Row, case: Case, ledger: Ledger) -> list[str]:
    """What limits a verdict."""
    if case.finding.note == NOT_IN_THIS_SUITE:
        return []
    pending = [case.unfinished] if case.unfinished else []
    if found := hindrances(case, ledger):
        return list(dict.fromkeys([*pending, *found]))
    if not case.seeds:
        return []
    return [*pending, *_on_size(row, case, ledger), *_on_units(row, case, ledger), *_on_length(row, case)]


def _on_size(row: Row, case: Case, ledger: Ledger) -> Iterator[str]:
    """Remarks on where the effect lies."""
    threshold, confidence, is_mixed = row["threshold"], ledger.rules.confidence, row["verdict"] == MIXED
    for above, below in opposed(case, ledger, sharing=is_mixed):
        sides = [f"{word} at {', '.join(names)}" for word, names in (("above", above), ("below", below)) if names]
        if is_mixed and sides:
            yield "; ".join(sides)
        elif len(sides) == 2:
            yield f"by {confidence:.0%} intervals each {' and '.join(sides)}, though not by such for all at once"
    margin = f"the {2 * confidence - 1:.0%} interval lies within ±{row['margin']:g} {row['unit']}"
    if within_the_margin(row["verdict"], row["equivalent"]):
        yield ", ".join([margin, *_beyond(case)])
    elif case.finding.retuned and not row["equivalent"]:
        ways = zip(("at equal rates", "at rates retuned"), case.estimates, strict=True)
        yield from (f"{way} {margin}" for way, each in ways if counts_as_none(each, case.statement, ledger))
    if row["verdict"] == NOT_DISTINGUISHABLE and not row["low"] <= threshold <= row["high"]:
        yield f"p = {row['p']:.2g} alone, {row['p_holm']:.2g} among all statements"


def _beyond(case: Case) -> Iterator[str]:
    """Components of a mean that lie beyond the margin, though it does not."""
    threshold, margin = case.statement.threshold, case.statement.margin
    parts = [part.components.items() for part in case.parts if part.averaged]
    names = [name for part in parts for name, each in part if abs(each.value - threshold) > margin]
    if names:
        yield f"outside of which are the estimates at {', '.join(dict.fromkeys(names))}"


def _on_units(row: Row, case: Case, ledger: Ledger) -> Iterator[str]:
    """Remarks on what other units than runs would give: whole seeds, test images."""
    if case.finding.result.blocked is None:
        return
    blocked = row.get("blocked_p_holm", math.nan)
    if math.isnan(blocked) and not math.isnan(row.get("p_holm", math.nan)):
        yield "no two seeds were run at every batch size"
    elif (ruled := verdict(case, blocked, ledger)) != row["verdict"]:
        yield f"with whole seeds as the unit {ruled} (p = {blocked:.2g})"
    if row["verdict"] in (SUPPORTED, CONTRADICTED) and row["images_low"] <= row["threshold"] <= row["images_high"]:
        yield f"the {ledger.rules.confidence:.0%} interval over test images includes {row['threshold']:g}"


def _on_length(row: Row, case: Case) -> Iterator[str]:
    """Remark on runs as short as the grid's."""
    short = case.finding.short
    if short is not None and (short.value > row["threshold"]) != (row["estimate"] > row["threshold"]):
        yield f"{signed(short.value, 2)} at the grid's length"
