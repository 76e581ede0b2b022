"""What loss, energy weight and temperature do in the trade_off part of a suite, where every setting has every seed.

Effects are differences between two losses, weights or temperatures, all else equal: one row a seed, one column a
setting.
"""

import math
from dataclasses import replace
from typing import Any

import pandas as pd

from dhel_kcl.inference import Estimate, contrast
from dhel_kcl.results import Results

SYMBOLS = {"weight": "w", "temperature": "τ"}


def points(results: Results, dataset: str) -> pd.DataFrame:
    """Runs of the trade_off part with their loss (and form), energy weight (1 if not said) and temperature."""
    runs = results.runs[(results.runs.part == "trade_off") & (results.runs.dataset == dataset)]
    said = [dict(entry.split("=") for entry in text.split()) for text in runs.parameters]
    losses = [results.suite.methods[method]["loss"] for method in runs.method]
    return runs.assign(
        loss=[f"{loss}-{entry['form']}" if "form" in entry else loss for loss, entry in zip(losses, said, strict=True)],
        weight=[float(entry.get("energy_weight", 1)) for entry in said],
        temperature=[float(entry["temperature"]) for entry in said],
    )


def effects(points: pd.DataFrame, column: str, factor: str, of: Any, against: Any) -> pd.DataFrame:
    """Difference in `column` between two values of a factor ("loss", "weight" or "temperature"), the other two equal.

    Empty where one of them was not run.
    """
    setting = [name for name in ("seed", "loss", *SYMBOLS) if name != factor]
    table = points.pivot(index=setting, columns=factor, values=column)
    if of == against or not {of, against} <= set(table):
        return pd.DataFrame()
    return (table[of] - table[against]).unstack("seed").dropna(how="all").T


def mean_effect(effects: pd.DataFrame) -> Estimate:
    """Mean over the settings that all seeds have, with seeds as the unit: the settings of a seed share initial weights,
    images and views."""
    known = effects.dropna(axis=1)
    if known.empty:
        return Estimate(math.nan)
    note = "" if known.shape == effects.shape else f"at {len(known.columns)} of {len(effects.columns)} settings"
    return replace(contrast(known.mean(axis=1).to_numpy(float)[:, None]), note=note)


def by_factor(effects: pd.DataFrame, factor: str) -> dict[str, Estimate]:
    """`mean_effect` at each weight or temperature."""
    groups = effects.T.groupby(level=factor)
    return {f"{SYMBOLS[factor]} = {value:g}": mean_effect(group.T) for value, group in groups}
