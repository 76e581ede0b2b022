"""What a change of loss, energy weight, temperature or gamma does in a suite's section `causes`, where every point has
every seed.

A *setting* is what two sides of a change have in common but for the learning rate; effects have one row a seed, one
column a setting. They are taken at the same learning rates, or with each side at its own best one.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dhel_kcl.evidence import grids
from dhel_kcl.evidence.estimates import Estimate, contrast
from dhel_kcl.evidence.tidy import Results, where
from dhel_kcl.study.schema import Causes, Training
from dhel_kcl.study.suite import Suite

Array = NDArray[np.float64]
Level = str | float
"""Value of a factor."""
SYMBOLS = {"weight": "w", "temperature": "τ", "gamma": "γ", "length": "length"}
FACTORS = ("loss", *SYMBOLS, "other")
"""What makes a setting: loss (and form or kernel), energy weight, temperature, gamma, length of training (epochs or
updates), and other hyperparameters in words."""
ABSENT = -1
"""Number of a point that there is none of."""


@dataclass(frozen=True)
class Change:
    """Of a factor from `against` to `of`, all else equal; within: values that other factors must have."""

    factor: str
    of: Level
    against: Level
    within: Mapping[str, Level] = field(default_factory=dict)


@dataclass(frozen=True)
class Settings:
    """Where a suite asks for both sides of a change.

    common: the settings. rates: learning rates, ascending. of, against: numbers of the points of either side, shape
    (settings, rates), `ABSENT` where a side has none. seeds: number of those that all points of a setting are asked
    with, by setting.
    """

    common: pd.MultiIndex
    rates: tuple[float, ...]
    of: NDArray[np.int64]
    against: NDArray[np.int64]
    seeds: tuple[int, ...]

    @property
    def unequal(self) -> tuple[str, ...]:
        """What is wrong if one side has other learning rates to be tuned over than the other."""
        other = ((self.of == ABSENT) != (self.against == ABSENT)).any(axis=1)
        found = [_label(self.common, at) for at in self.common[other]]
        return (f"unequal learning rates at {'; '.join(found)}",) if found else ()

    def at(self, rate: float) -> "Settings":
        """With the points of one learning rate alone."""
        here = [self.rates.index(rate)]
        return replace(self, rates=(rate,), of=self.of[:, here], against=self.against[:, here])


@dataclass(frozen=True)
class Points:
    """Runs of the section on a data set, and what the suite asks for.

    planned: as the function says. runs: rows of runs.csv with the columns of `planned`.
    """

    planned: pd.DataFrame
    runs: pd.DataFrame

    @classmethod
    def read(cls, results: Results, dataset: str) -> "Points":
        asked = planned(results.suite, dataset)
        runs = where(results.runs, section="causes", dataset=dataset)
        return cls(asked, runs.assign(parameters=grids.parameters(runs)).merge(asked, on=["method", "parameters"]))

    @cached_property
    def seeds(self) -> list[int]:
        return sorted(set(self.runs.seed))

    def values(self, column: str, points: NDArray[np.int64]) -> Array:
        """A column of runs.csv at points (settings, rates), shape (seeds, settings, rates); NaN without a run."""
        table = np.full((len(self.seeds), 1 + len(self.planned)), math.nan)  # the last column is that of ABSENT
        rows = np.searchsorted(self.seeds, self.runs.seed)
        table[rows, self.runs.point.to_numpy(int)] = self.runs[column].to_numpy(float)
        return table[:, points]

    def repeat(self, settings: Settings) -> NDArray[np.bool_]:
        """Whether a setting's runs are to the last digit those of an earlier one, on both sides, shape (settings,)."""
        sides = [self.values("z_effective_rank", side) for side in (settings.of, settings.against)]
        runs = pd.DataFrame(np.stack(sides).transpose(2, 0, 1, 3).reshape(len(settings.common), -1))
        return runs.duplicated().to_numpy() & runs.notna().any(axis=1).to_numpy()


def planned(suite: Suite, dataset: str) -> pd.DataFrame:
    """Every point that the suite asks for: method and parameters as in runs.csv, seeds, `FACTORS` (NaN where a loss has
    none such), learning rate, whether it is as long as the suite's `training` says, and a number that is the same for a
    training whose seeds stand under two names."""
    rows = []
    usual = suite.settings(dataset).training
    for method in (each for each in suite.methods_of(dataset).values() if each.section == "causes"):
        for point in method.grid:
            training = usual.changed(point.training)
            row: dict[str, Any] = {"method": method.name, "parameters": point.parameters, "seeds": method.seeds}
            row |= {"length": _length(training, method.batch_sizes[0])}
            row |= {"main": training.epochs == usual.epochs and row["length"] == _length(usual, method.batch_sizes[0])}
            row |= _factors(_asked(suite, dataset).losses[method.name].identity(point.loss))
            rows.append(row | {"rate": training.learning_rate})
    table = pd.DataFrame(rows, columns=["method", "parameters", "seeds", *FACTORS, "rate", "main"]).astype(
        {"main": bool}
    )
    return table.assign(point=table.groupby([*FACTORS, "rate"], dropna=False, sort=False).ngroup())


def _length(training: Training, batch_size: int) -> float:
    return float(training.epochs or training.updates_at(batch_size))


def _factors(loss: Mapping[str, Any]) -> dict[str, Level]:
    """Of a loss with its defaults."""
    kind = loss.get("form", loss.get("kernel"))
    named = {"name", "form", "kernel", "energy_weight", "temperature", "gamma"}
    return {
        "loss": f"{loss['name']}-{kind}" if kind else loss["name"],
        "weight": float(loss.get("energy_weight", math.nan)),
        "temperature": float(loss.get("temperature", math.nan)),
        "gamma": float(loss.get("gamma", math.nan)),
        "other": ", ".join(f"{key} = {value}" for key, value in loss.items() if key not in named),
    }


def are_asked(suite: Suite, dataset: str) -> bool:
    """Whether a suite has points of this section on a data set."""
    asked = suite.config_of(dataset).causes
    return asked is not None and dataset in asked.datasets


def batch_size(suite: Suite, dataset: str) -> int:
    return _asked(suite, dataset).batch_size


def _asked(suite: Suite, dataset: str) -> Causes:
    asked = suite.config_of(dataset).causes
    assert asked  # of suites that have it
    return asked


def settings(asked: pd.DataFrame, change: Change) -> Settings:
    """Where points of `planned` have both sides of a change."""
    rows = where(asked, **change.within)
    sides_of = rows[change.factor]
    rows = rows[sides_of.isin([change.of, change.against]) & sides_of.notna()]
    keys = [name for name in FACTORS if name != change.factor and (rows.empty or rows[name].notna().any())]
    sides: dict[Level, dict[tuple[Level, ...], dict[float, int]]] = {change.of: {}, change.against: {}}
    for row in rows.to_dict("records"):
        sides[row[change.factor]].setdefault(tuple(row[key] for key in keys), {})[row["rate"]] = row["point"]
    of, against = sides[change.of], sides[change.against]
    both = [at for at in of if at in against] if change.of != change.against else []
    rates = sorted({rate for side in (of, against) for at in both for rate in side[at]})
    first, second = (
        np.array([[side[at].get(rate, ABSENT) for rate in rates] for at in both], int).reshape(len(both), len(rates))
        for side in (of, against)
    )
    of_point = {point: set().union(*found) for point, found in rows.groupby("point").seeds}
    points = [{*of[at].values(), *against[at].values()} for at in both]
    seeds = tuple(len(set.intersection(*(of_point[point] for point in here))) for here in points)
    return Settings(pd.MultiIndex.from_tuples(both, names=keys), tuple(rates), first, second, seeds)


def at_equal_rates(points: Points, settings: Settings, column: str) -> pd.DataFrame:
    """Difference in `column` at the same seed and learning rate, mean over the rates that both sides have. NaN where a
    run is missing."""
    both = (settings.of != ABSENT) & (settings.against != ABSENT)
    sides = (points.values(column, side) for side in (settings.of, settings.against))
    with np.errstate(invalid="ignore"):  # no common rate
        of, against = (np.where(both, side, 0).sum(axis=2) / both.sum(axis=1) for side in sides)
    return _effects(points, settings, of, against)


def retuned(points: Points, settings: Settings, column: str) -> pd.DataFrame:
    """The same with each side at its own best learning rate: for each seed that of the highest mean validation accuracy
    over the other seeds, so that no seed is judged at a rate which its own luck chose."""
    names = (column, "validation_accuracy", "validation_cross_entropy")
    of, against = (
        cross_fitted(side != ABSENT, *(points.values(name, side) for name in names))
        for side in (settings.of, settings.against)
    )
    return _effects(points, settings, of, against)


def cross_fitted(asked: NDArray[np.bool_], values: Array, accuracy: Array, entropy: Array) -> Array:
    """Each seed's value at the learning rate that the other seeds choose: by mean accuracy, then by mean cross-entropy,
    then the lowest. NaN for seeds that lack a rate, and for a seed without others, unless there is one rate.

    Args:
        asked: rates that there are, shape (settings, rates).
        values, accuracy, entropy: shape (seeds, settings, rates).

    Returns shape (seeds, settings).
    """
    complete = np.asarray((~np.isnan(values) | ~asked).all(axis=2))
    others = complete.sum(axis=0) - 1.0

    def of_others(measure: Array) -> Array:
        known = np.where(complete[:, :, None] & asked, measure, 0)
        # Rounded, so that equal accuracies stay equal.
        return np.round((known.sum(axis=0) - known) / np.maximum(others, 1)[:, None], 9)

    mean = np.where(asked, of_others(accuracy), -math.inf)
    best = mean == mean.max(axis=2, keepdims=True)
    chosen = np.where(best, of_others(entropy), math.inf).argmin(axis=2)
    found: Array = np.take_along_axis(values, chosen[:, :, None], axis=2)[:, :, 0]
    return np.where(complete & ((others > 0) | (asked.sum(axis=1) == 1)), found, math.nan)


def _effects(points: Points, settings: Settings, of: Array, against: Array) -> pd.DataFrame:
    """First less second, shape (seeds, settings), without settings that have the same runs as an earlier one."""
    again = points.repeat(settings)
    return pd.DataFrame((of - against)[:, ~again], points.seeds, settings.common[~again])


def mean_effect(effects: pd.DataFrame) -> Estimate:
    """Mean over all settings of the mean over the seeds of each; none where a setting has no seed.

    Seeds are the unit, since the settings of a seed share initial weights, images and views: what each adds to the mean
    varies among seeds that have the same settings. A seed that has some alone, and is alone in that, is left out.
    """
    alone = ~effects.notna().duplicated(keep=False) & effects.isna().any(axis=1)
    known = effects[~alone & effects.notna().any(axis=1)]
    counts = known.notna().sum()
    if known.empty or not counts.all():
        return Estimate(math.nan)
    shares = (known / counts / len(counts)).sum(axis=1)
    alike = known.notna().groupby(list(known.columns), sort=False).ngroup()  # seeds with the same settings
    columns = pd.DataFrame({group: of * len(of) for group, of in shares.groupby(alike)})  # whose means add up
    return replace(contrast(columns.to_numpy(float)), seeds=int(counts.min()), blocked=None)


def by_setting(effects: pd.DataFrame) -> dict[str, Estimate]:
    """The effect in each setting, of the seeds that have it."""
    columns = zip(effects.columns, effects.to_numpy(float).T, strict=True)
    found = {_label(effects.columns, at): values[~np.isnan(values), None] for at, values in columns}
    return {label: contrast(values) for label, values in found.items() if len(values)}


def lacking(effects: pd.DataFrame) -> tuple[str, ...]:
    """Why the mean over all settings can't be had, though some have run."""
    there = effects.notna().any().to_numpy()
    absent = [_label(effects.columns, at) for at in effects.columns[~there]]
    return (f"not run on both sides at {'; '.join(absent)}",) if absent and there.any() else ()


def _label(settings: pd.MultiIndex, at: tuple[Level, ...]) -> str:
    """What tells a setting from the others: "w = 1, τ = 0.1"."""
    alone = (name not in ("length", "other") and len(settings) == 1 for name in settings.names)
    varied = [settings.unique(name).size > 1 or one for name, one in zip(settings.names, alone, strict=True)]
    named = [(name, value) for name, value, differs in zip(settings.names, at, varied, strict=True) if differs]
    texts = [f"{SYMBOLS[name]} = {value:g}" if name in SYMBOLS else str(value) for name, value in named]
    return ", ".join(filter(None, texts))
