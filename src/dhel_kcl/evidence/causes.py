"""What loss, energy weight and temperature do in a suite's `causes`, all of whose settings are run.

Effects are differences between two losses, weights or temperatures, all else equal: one row a seed, one column a
setting.
"""

import math

import numpy as np
import pandas as pd

from dhel_kcl.evidence.estimates import Estimate, contrast
from dhel_kcl.evidence.tidy import Results
from dhel_kcl.study.suite import Suite

Level = str | float
"""Value of a factor: a loss, an energy weight or a temperature."""
SYMBOLS = {"weight": "w", "temperature": "τ"}
FACTORS = ("loss", *SYMBOLS, "rate", "epochs", "updates")
"""What settings differ in: learning rate and length of the training as well."""


def planned(suite: Suite, dataset: str) -> pd.DataFrame:
    """Every setting with a temperature that the suite asks for: method and parameters as in runs.csv, loss (and form),
    energy weight (1 if not said), temperature, learning rate, length (0 of what does not say it)."""
    rows = []
    for method in suite.methods_of(dataset).values():
        for setting in method.grid if method.section == "causes" else []:
            loss, training = setting.loss, suite.settings(dataset).training.changed(setting.training)
            row = {"method": method.name, "parameters": setting.parameters, "temperature": loss.get("temperature")}
            row |= {"loss": "-".join(filter(None, [loss["name"], loss.get("form")]))}
            row |= {"weight": float(loss.get("energy_weight", 1)), "rate": training.learning_rate}
            row |= {"epochs": training.epochs or 0, "updates": training.updates_at(method.batch_sizes[0])}
            rows.append(row)
    table = pd.DataFrame(rows, columns=["method", "parameters", *FACTORS])
    return table.dropna(subset="temperature").astype({"temperature": float})


def seeds(suite: Suite, dataset: str) -> tuple[int, ...]:
    """Seeds of every setting; none if the suite has no `causes`."""
    asked = suite.config_of(dataset).causes
    return asked.seeds if asked else ()


def compared(suite: Suite, dataset: str, factor: str, of: Level, against: Level) -> pd.Index:
    """Settings, by their other factors, at which the suite asks for both values of a factor."""
    asked = planned(suite, dataset).set_index([name for name in FACTORS if name != factor])[factor]
    both = asked[asked == of].index.intersection(asked[asked == against].index, sort=False)
    return both[:0] if of == against else both


def points(results: Results, dataset: str) -> pd.DataFrame:
    """Runs of the causes, with loss, weight and temperature as in `planned`."""
    runs = results.runs[(results.runs.section == "causes") & (results.runs.dataset == dataset)]
    return runs.drop(columns="epochs").merge(planned(results.suite, dataset), on=["method", "parameters"])


def effects(results: Results, dataset: str, column: str, factor: str, of: Level, against: Level) -> pd.DataFrame:
    """Difference in `column` between two values of a factor ("loss", "weight" or "temperature"), all else equal.

    NaN where one of the two runs is missing; empty where the suite asks for none of them.
    """
    both = compared(results.suite, dataset, factor, of, against)
    if both.empty:
        return pd.DataFrame()
    values = points(results, dataset).set_index(["seed", *both.names, factor])[column]
    rows = seeds(results.suite, dataset)
    sides = ([values.get((seed, *at, side), math.nan) for seed in rows for at in both] for side in (of, against))
    first, second = (np.array(side, float).reshape(len(rows), len(both)) for side in sides)
    return pd.DataFrame(first - second, index=rows, columns=both)


def mean_effect(effects: pd.DataFrame) -> Estimate:
    """Mean over all settings, of the seeds that have them all. Seeds are the unit: the settings of a seed share initial
    weights, images and views."""
    complete = effects.dropna()
    if complete.empty:
        some = effects.size and not effects.isna().to_numpy().all()
        return Estimate(math.nan, note="no seed has all settings" if some else "")
    return contrast(complete.mean(axis=1).to_numpy(float)[:, None])


def by_factor(effects: pd.DataFrame, factor: str) -> dict[str, Estimate]:
    """`mean_effect` at each weight or temperature."""
    groups = effects.T.groupby(level=factor)
    return {f"{SYMBOLS[factor]} = {value:g}": mean_effect(group.T) for value, group in groups}
