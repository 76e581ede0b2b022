"""What loss, energy weight and temperature do in the trade_off part of a suite, where every setting has every seed.

Effects are differences between two losses, weights or temperatures, all else equal: one row a seed, one column a
setting.
"""

import math
from typing import Any

import numpy as np
import pandas as pd

from dhel_kcl.evidence.estimates import Estimate, contrast
from dhel_kcl.evidence.tidy import Results
from dhel_kcl.study.suite import Suite, parameters

SYMBOLS = {"weight": "w", "temperature": "τ"}


def planned(suite: Suite, dataset: str) -> pd.DataFrame:
    """Every setting that the suite asks for: method and parameters as in runs.csv, loss (and form), energy weight (1 if
    not said), temperature."""
    rows = [
        {
            "method": method,
            "parameters": parameters(loss),
            "loss": "-".join(filter(None, [loss["name"], loss.get("form")])),
            "weight": float(loss.get("energy_weight", 1)),
            "temperature": float(loss["temperature"]),
        }
        for method, entry in suite.methods_of(dataset).items()
        if entry.section == "trade_off"
        for loss in entry.grid
    ]
    return pd.DataFrame(rows, columns=["method", "parameters", "loss", *SYMBOLS])


def points(results: Results, dataset: str) -> pd.DataFrame:
    """Runs of the trade_off part, with loss, weight and temperature as in `planned`."""
    runs = results.runs[(results.runs.part == "trade_off") & (results.runs.dataset == dataset)]
    return runs.merge(planned(results.suite, dataset), on=["method", "parameters"])


def effects(results: Results, dataset: str, column: str, factor: str, of: Any, against: Any) -> pd.DataFrame:
    """Difference in `column` between two values of a factor ("loss", "weight" or "temperature"), the other two equal.

    NaN where one of the two runs is missing; empty where the suite asks for none of them.
    """
    setting = [name for name in ("loss", *SYMBOLS) if name != factor]
    asked = planned(results.suite, dataset).set_index(setting)[factor]
    both = asked[asked == of].index.intersection(asked[asked == against].index, sort=False)
    if of == against or both.empty:
        return pd.DataFrame()
    values = points(results, dataset).set_index(["seed", *setting, factor])[column]
    trade_off = results.suite.config.trade_off
    seeds = trade_off.seeds if trade_off else ()
    sides = ([values.get((seed, *at, side), math.nan) for seed in seeds for at in both] for side in (of, against))
    first, second = (np.array(side, float).reshape(len(seeds), len(both)) for side in sides)
    return pd.DataFrame(first - second, index=seeds, columns=both)


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
