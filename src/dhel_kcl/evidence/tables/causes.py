"""What makes the losses differ: every setting of `causes`, and what a change of a setting does."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from dhel_kcl.evidence import causes, ledger
from dhel_kcl.evidence.estimates import Estimate
from dhel_kcl.evidence.tidy import Results, where
from dhel_kcl.presentation.table_files import NOT_RUN, mean_and_spread
from dhel_kcl.study.suite import Suite, dataset_title

OUTCOMES = {
    "effective rank of z": ("z_effective_rank", 1),
    "alignment of z": ("z_alignment", 3),
    "accuracy (points)": ("test_accuracy", 2),
}
"""Column of runs.csv and decimals of what the settings change."""


@dataclass(frozen=True)
class Change:
    """Of a factor (loss, weight or temperature) from `against` to `of`; shown at each value of the factor `by`."""

    title: str
    factor: str
    of: causes.Level
    against: causes.Level
    by: str


def points(results: Results) -> pd.DataFrame:
    """Accuracy, alignment and rank at every setting with a temperature."""
    rows = []
    for dataset in results.datasets_of("causes"):
        runs = causes.points(results, dataset)
        for setting in causes.planned(results.suite, dataset).itertuples():
            cell = where(runs, method=setting.method, parameters=setting.parameters)
            rows.append(
                {
                    "data set": dataset_title(dataset),
                    "loss": results.suite.title(setting.method),
                    "weight": f"{setting.weight:g}",
                    "temperature": f"{setting.temperature:g}",
                    "learning rate": f"{setting.rate:g}",
                    "length": f"{setting.epochs} epochs" if setting.epochs else f"{setting.updates} updates",
                    "accuracy (%)": mean_and_spread(cell.test_accuracy, 2),
                    "alignment of z": mean_and_spread(cell.z_alignment, 3),
                    "effective rank of z": mean_and_spread(cell.z_effective_rank, 1),
                }
            )
    return pd.DataFrame(rows)


def effects(results: Results) -> pd.DataFrame:
    """What a change of the loss, of the weight and of the temperature does, all else equal, with 95 % intervals."""
    rows = []
    for dataset in results.datasets_of("causes"):
        for change in changes(results.suite, dataset):
            found = {header: _cells(results, dataset, change, *outcome) for header, outcome in OUTCOMES.items()}
            cells = pd.DataFrame(found).rename_axis("at").reset_index()
            same = {"data set": dataset_title(dataset), "effect of": change.title}
            rows += [same | row for row in cells.to_dict("records")]
    return pd.DataFrame(rows)


def changes(suite: Suite, dataset: str) -> Iterator[Change]:
    """Those whose effect the settings can show."""
    planned = causes.planned(suite, dataset)
    titles = {loss: suite.title(method) for loss, method in zip(planned.loss, planned.method, strict=True)}
    for of, against in itertools.combinations(reversed(titles), 2):
        yield Change(f"{titles[of]} − {titles[against]}", "loss", of, against, by="weight")
    for low, high in itertools.pairwise(sorted(set(planned.weight))):
        yield Change(f"w = {high:g} − {low:g}", "weight", high, low, by="temperature")
    for low, high in itertools.pairwise(sorted(set(planned.temperature))):
        yield Change(f"τ = {low:g} − {high:g}", "temperature", low, high, by="weight")


def _cells(results: Results, dataset: str, change: Change, column: str, digits: int) -> dict[str, str]:
    """The effect at each value of the other factor, and over "all" settings."""
    found = causes.effects(results, dataset, column, change.factor, change.of, change.against)
    estimates = causes.by_factor(found, change.by) if len(found) else {}
    estimates |= {"all": causes.mean_effect(found)}
    level = ledger.read().rules.confidence
    return {at: _cell(estimate, digits, level) for at, estimate in estimates.items()}


def _cell(effect: Estimate, digits: int, level: float) -> str:
    if math.isnan(effect.value):
        return NOT_RUN
    low, high = effect.interval(level)
    interval = "" if math.isnan(low) else f" ({low:+.{digits}f} to {high:+.{digits}f})"
    return f"{effect.value:+.{digits}f}{interval}"
