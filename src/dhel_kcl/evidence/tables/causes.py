"""What makes the losses differ: every point of `causes`, and what changes of them do."""

import itertools
import math
from collections.abc import Iterator
from functools import partial

import pandas as pd

from dhel_kcl.evidence import causes, ledger
from dhel_kcl.evidence.causes import Change, Points, Settings
from dhel_kcl.evidence.estimates import Estimate
from dhel_kcl.evidence.statistics import OF_CAUSES
from dhel_kcl.evidence.tidy import Results, where
from dhel_kcl.evidence.wording import with_interval
from dhel_kcl.presentation.claim_names import heading
from dhel_kcl.presentation.table_files import NOT_RUN, mean_and_spread, number
from dhel_kcl.study.suite import Suite, dataset_title

OUTCOMES = {
    "effective rank of z": ("z_effective_rank", 1),
    "alignment of z": ("z_alignment", 3),
    "accuracy (points)": ("test_accuracy", 2),
    "k-NN accuracy (points)": ("knn_accuracy", 2),
    "effective rank of h": ("h_effective_rank", 1),
    "of h, centred": ("h_effective_rank_centred", 1),
}
"""Column of runs.csv and decimals of what the settings change."""
BOTH_REMOVED = "both removed: DHEL mean - SimCLR", Change("loss", "dhel-mean", "simclr")
EQUAL, RETUNED = "equal, mean", "each side's best"


def points(results: Results) -> pd.DataFrame:
    """Accuracy, alignment and rank at every point."""
    rows = []
    for dataset in results.datasets_of("causes"):
        points = Points.read(results, dataset)
        for point in points.planned.itertuples():
            cell = where(points.runs, method=point.method, parameters=point.parameters)
            rows.append(
                {
                    "data set": dataset_title(dataset),
                    "loss": results.suite.title(point.method),
                    "weight": number(point.weight, "g"),
                    "temperature": number(point.temperature, "g"),
                    "gamma": number(point.gamma, "g"),
                    "other": point.other,
                    "learning rate": f"{point.rate:g}",
                    "length": f"{point.length:g}",
                    "accuracy (%)": mean_and_spread(cell.test_accuracy, 2),
                    "alignment of z": mean_and_spread(cell.z_alignment, 3),
                    "effective rank of z": mean_and_spread(cell.z_effective_rank, 1),
                }
            )
    return pd.DataFrame(rows)


def effects(results: Results) -> pd.DataFrame:
    """What each change does, all else equal, with 95 % intervals: in each setting, and over "all" of the suite's usual
    length; by learning rate, at all rates that both sides have, and with each side at its own best one."""
    rows, level = [], ledger.read().rules.confidence
    for dataset in results.datasets_of("causes"):
        points = Points.read(results, dataset)
        usual = points.planned.length[points.planned.main]
        for title, change in changes(points.planned, results.suite):
            for rate, found in by_rate(points, causes.settings(points.planned, change)).items():
                cells = pd.DataFrame({header: _cells(*each, usual, level) for header, each in found.items()})
                same = {"data set": dataset_title(dataset), "effect of": title, "learning rate": rate}
                rows += [same | row for row in cells.fillna(NOT_RUN).rename_axis("at").reset_index().to_dict("records")]
    return pd.DataFrame(rows)


def changes(asked: pd.DataFrame, suite: Suite) -> Iterator[tuple[str, Change]]:
    """Those that the points can show, with their names: the steps of the ledger, both removals at once, and gamma."""
    names = {id(each.statistic): heading(each.id, each.short) for each in ledger.read().of_causes}
    main = asked[asked.main]
    steps = [(names[id(step)], step.change(main)) for step in OF_CAUSES.values() if id(step) in names]
    gammas = [
        (
            f"{suite.title(rows.method.iloc[0])}: γ = {high:g} - {low:g}",
            Change("gamma", high, low, within={"loss": loss}),
        )
        for loss, rows in asked.dropna(subset="gamma").groupby("loss", sort=False)
        for low, high in itertools.pairwise(sorted(set(rows.gamma)))
    ]
    for title, change in (*steps, BOTH_REMOVED, *gammas):
        if len(causes.settings(asked, change).common):
            yield title, change


def by_rate(points: Points, settings: Settings) -> dict[str, dict[str, tuple[pd.DataFrame, int]]]:
    """{learning rate: {outcome: (effects, decimals)}}."""
    of_rates = {f"{rate:.12g}": settings.at(rate) for rate in settings.rates if len(settings.rates) > 1}
    of_rates[EQUAL] = settings
    ways = {name: partial(causes.at_equal_rates, points, at) for name, at in of_rates.items()}
    ways[RETUNED] = partial(causes.retuned, points, settings)
    return {
        name: {header: (way(column), digits) for header, (column, digits) in OUTCOMES.items()}
        for name, way in ways.items()
    }


def _cells(effects: pd.DataFrame, digits: int, usual: pd.Series, level: float) -> dict[str, str]:
    all_usual = effects.loc[:, effects.columns.get_level_values("length").isin(usual)]
    estimates = causes.by_setting(effects) | {"all": causes.mean_effect(all_usual)}
    return {at: _cell(estimate, digits, level) for at, estimate in estimates.items()}


def _cell(effect: Estimate, digits: int, level: float) -> str:
    if math.isnan(effect.value):
        return NOT_RUN
    return with_interval(effect.value, *effect.interval(level), digits)
