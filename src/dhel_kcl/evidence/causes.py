"""What a change of loss, energy weight, temperature or gamma does in a suite's section `causes`, where every point has
every seed.

A *setting* is what two sides of a change have in common but for the learning rate; effects have one row a seed, one
column a setting. They are taken at the same learning rates, or with each side at its own best one.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from dhel_kcl.evidence.estimates import Estimate, contrast
from dhel_kcl.evidence.tidy import Results, where
from dhel_kcl.study.config import Causes
from dhel_kcl.study.suite import Suite

Level = str | float
"""Value of a factor."""
Values = Mapping[tuple[Level, ...], pd.Series]
"""{setting: value of each seed}."""
SYMBOLS = {"weight": "w", "temperature": "τ", "gamma": "γ", "length": "length"}
FACTORS = ("loss", *SYMBOLS, "other")
"""What makes a setting: loss (and form or kernel), energy weight, temperature, gamma, length of training (epochs or
updates), and other hyperparameters in words."""


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

    of, against: the points of either side, as in `planned`, indexed by setting and learning rate; one whose seeds stand
    under two names has two rows. common: settings of both.
    """

    of: pd.DataFrame
    against: pd.DataFrame
    common: pd.MultiIndex

    def shortest(self) -> "Settings":
        """Those of the shortest length alone."""
        lengths = self.common.get_level_values("length")
        return replace(self, common=self.common[lengths == min(lengths, default=0)])

    def at(self, rate: float) -> "Settings":
        """With the points of one learning rate alone."""
        of, against = (side[side.index.get_level_values("rate") == rate] for side in (self.of, self.against))
        return Settings(of, against, self.common)

    @property
    def seeds(self) -> set[int]:
        """Seeds that every point of both sides in the common settings is asked with."""
        sides = [side[side.index.droplevel("rate").isin(self.common)] for side in (self.of, self.against)]
        points = [set().union(*rows) for side in sides for _, rows in side.seeds.groupby(level=side.index.names)]
        return set.intersection(*points) if points else set()

    @property
    def unequal(self) -> tuple[str, ...]:
        """What is wrong if one side has other learning rates to be tuned over than the other."""
        rates = [side.reset_index("rate").rate for side in (self.of, self.against)]
        found = [
            _label(self.common, at) for at in self.common if len({frozenset(each.loc[[at]]) for each in rates}) > 1
        ]
        return (f"unequal learning rates at {'; '.join(found)}",) if found else ()


def planned(suite: Suite, dataset: str) -> pd.DataFrame:
    """Every point that the suite asks for: method and parameters as in runs.csv, seeds, `FACTORS` (NaN where a loss has
    none such), learning rate."""
    rows = []
    for method in suite.methods_of(dataset).values() if are_asked(suite, dataset) else ():
        for point in method.grid if method.section == "causes" else ():
            training = suite.settings(dataset).training.changed(point.training)
            row: dict[str, Any] = {"method": method.name, "parameters": point.parameters, "seeds": method.seeds}
            row |= {"length": float(training.epochs or training.updates_at(method.batch_sizes[0]))}
            row |= _factors(_asked(suite, dataset).losses[method.name].identity(point.loss))
            rows.append(row | {"rate": training.learning_rate})
    return pd.DataFrame(rows, columns=["method", "parameters", "seeds", *FACTORS, "rate"])


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
    """The points of `planned` on either side of a change."""
    rows = where(asked, **change.within)
    rows = rows[rows[change.factor].isin([change.of, change.against])]
    rows = rows if rows.empty else rows.dropna(axis="columns", how="all")
    keys = [name for name in FACTORS if name in rows and name != change.factor]
    indexed = rows.set_index([*keys, "rate"])
    of, against = (indexed[indexed[change.factor] == level] for level in (change.of, change.against))
    both = of.index.droplevel("rate").unique()
    both = both[both.isin(against.index.droplevel("rate"))] if change.of != change.against else both[:0]
    return Settings(of, against, both)


def points(results: Results, dataset: str) -> pd.DataFrame:
    """Runs of the section, with the columns of `planned`."""
    runs = where(results.runs, section="causes", dataset=dataset)
    return runs.merge(planned(results.suite, dataset), on=["method", "parameters"])


def runs_of(results: Results, dataset: str, settings: Settings) -> pd.DataFrame:
    """Those of both sides in the settings that they have in common."""
    sides = [side[side.index.droplevel("rate").isin(settings.common)] for side in (settings.of, settings.against)]
    keys = pd.concat(sides)[["method", "parameters"]]
    return where(results.runs, section="causes", dataset=dataset).merge(keys, on=["method", "parameters"])


def at_equal_rates(points: pd.DataFrame, settings: Settings, column: str) -> pd.DataFrame:
    """Difference in `column` at the same seed and learning rate, mean over the rates that both sides have. NaN where a
    run is missing; empty where the suite asks for no such setting."""
    first, second = (_wide(points, side, column) for side in (settings.of, settings.against))
    shared = first.columns.intersection(second.columns, sort=False)
    there = [at for at in settings.common if at in shared.droplevel("rate")]
    sides = ({at: side[shared][at].mean(axis=1, skipna=False) for at in there} for side in (first, second))
    return _effects(settings, *sides)


def retuned(points: pd.DataFrame, settings: Settings, column: str) -> pd.DataFrame:
    """The same with each side at its own best learning rate: for each seed that of the highest mean validation accuracy
    over the other seeds, so that no seed is judged at a rate which its own luck chose."""
    sides = []
    for side in (settings.of, settings.against):
        value, accuracy, entropy = (
            _wide(points, side, name) for name in (column, "validation_accuracy", "validation_cross_entropy")
        )
        sides.append({at: cross_fitted(value[at], accuracy[at], entropy[at]) for at in settings.common})
    return _effects(settings, *sides)


def cross_fitted(values: pd.DataFrame, accuracy: pd.DataFrame, entropy: pd.DataFrame) -> pd.Series:
    """Each seed's value at the learning rate that the other seeds choose: by mean accuracy, then by mean cross-entropy,
    then the first.

    values, accuracy, entropy: one row a seed, one column a rate; NaN for seeds that lack a rate. NaN also for a seed
    without others, unless there is one rate.
    """
    complete = values.index[values.notna().all(axis=1)]
    chosen = pd.Series(math.nan, index=values.index)
    for seed in complete:
        others = complete.drop(seed)
        if values.shape[1] == 1:
            chosen[seed] = values.loc[seed].iloc[0]
        elif len(others):
            by = pd.DataFrame({"accuracy": -accuracy.loc[others].mean(), "entropy": entropy.loc[others].mean()})
            chosen[seed] = values.loc[seed, by.sort_values(["accuracy", "entropy"], kind="stable").index[0]]
    return chosen


def _wide(points: pd.DataFrame, side: pd.DataFrame, column: str) -> pd.DataFrame:
    """One row a seed, one column a point of a side, with the names of its index."""
    rows = points.merge(side[["method", "parameters"]].reset_index(drop=True), on=["method", "parameters"])
    values = rows.pivot_table(index="seed", columns=side.index.names, values=column, sort=False, dropna=False)
    return values.reindex(columns=side.index.unique(), index=sorted(points.seed.unique()))


def _effects(settings: Settings, first: Values, second: Values) -> pd.DataFrame:
    """First less second, by setting; of settings with the same runs on both sides one."""
    of, against = pd.DataFrame(dict(first)), pd.DataFrame(dict(second))
    if of.empty:
        return pd.DataFrame()
    both = pd.concat([of, against], keys=[0, 1])
    again = both.T.duplicated() & both.notna().any()
    effects = (of - against).loc[:, ~again.to_numpy()]
    effects.columns = pd.MultiIndex.from_tuples(list(effects.columns), names=settings.common.names)
    return effects


def mean_effect(effects: pd.DataFrame) -> Estimate:
    """Mean over all settings, of the seeds that have them all. Seeds are the unit: the settings of a seed share initial
    weights, images and views."""
    complete = effects.dropna()
    return contrast(complete.mean(axis=1).to_numpy(float)[:, None]) if len(complete) else Estimate(math.nan)


def of_shortest(effects: pd.DataFrame) -> pd.DataFrame:
    """Those in settings of the shortest length."""
    if effects.empty:
        return effects
    lengths = effects.columns.get_level_values("length")
    return effects.loc[:, lengths == lengths.min()]


def by_setting(effects: pd.DataFrame) -> dict[str, Estimate]:
    """The effect in each setting, of the seeds that have it."""
    found = {_label(effects.columns, at): effects[at].dropna().to_numpy(float)[:, None] for at in effects.columns}
    return {label: contrast(values) for label, values in found.items() if len(values)}


def lacking(effects: pd.DataFrame) -> tuple[str, ...]:
    """Why the mean over all settings can't be had, though some have run."""
    there = effects.notna().any()
    if not there.any() or len(effects.dropna()):
        return ()
    absent = [_label(effects.columns, at) for at in effects.columns[~there.to_numpy()]]
    return (f"not run on both sides at {'; '.join(absent)}" if absent else "no seed has all settings",)


def _label(settings: pd.MultiIndex, at: tuple[Level, ...]) -> str:
    """What tells a setting from the others: "w = 1, τ = 0.1"; everything of a single one."""
    frame = settings.to_frame()
    varied = [name for name in settings.names if len(settings) == 1 or frame[name].nunique() > 1]
    values = dict(zip(settings.names, at, strict=True))
    texts = [f"{SYMBOLS[name]} = {values[name]:g}" if name in SYMBOLS else str(values[name]) for name in varied]
    return ", ".join(filter(None, texts))
