"""The theory experiments' results as tables: verdicts, their numbers by claim, and the gaps to the least values."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
from scipy.stats import binomtest

from dhel_kcl.files import read_json
from dhel_kcl.presentation.claim_names import with_number
from dhel_kcl.presentation.table_files import number
from dhel_kcl.presentation.titles import TITLES
from dhel_kcl.theory import EXPERIMENTS
from dhel_kcl.theory.verdict import CONTRADICTED, SUPPORTED


def claims_summary(results: Path) -> pd.DataFrame:
    """Number of statements by claim, and by limits of a claim, and verdict."""
    counts = verdicts(results).groupby("claim").verdict.value_counts().unstack(fill_value=0)
    counts = counts.reindex(columns=[SUPPORTED, CONTRADICTED], fill_value=0)
    counts.index = counts.index.map(with_number)
    return counts.astype(str).rename_axis(index="claim", columns=None).reset_index()


def verdicts(results: Path) -> pd.DataFrame:
    """Every statement with measured value, threshold and verdict, one row each, in the order of the experiments."""
    rows = [{"experiment": name} | row for name in EXPERIMENTS for row in read_json(results / f"{name}.json")]
    table = pd.DataFrame(rows)
    return table.assign(measured=[number(value, ".3g") for value in table.measured])


def gaps(results: Path) -> pd.DataFrame:
    """By loss and (d, M), the smallest gap to the least value and the share of random starts that reached it."""
    ends = pd.read_csv(results / "minima.csv")
    rows = []
    for method, of_method in ends.groupby("method", sort=False):
        row = {"loss": TITLES[method]}
        for (dim, count), cell in of_method.groupby(["dim", "count"], sort=False):
            row[f"d={dim}, M={count}"] = f"{cell.gap.min():.0e} ({cell.reached.sum()}/{len(cell)})"
        rows.append(row)
    return pd.DataFrame(rows)


def local_minima(results: Path) -> pd.DataFrame:
    """By setting, how many random starts reach the least value, with the exact 95 % interval of their share; where not
    all do, how many end in a local minimum."""
    table = pd.read_csv(results / "local_minima.csv").query("begun == 'random'")
    columns = [*_values(table, "τ", "temperature"), *_values(table, "γ", "gamma")]
    rows: dict[str, dict[str, str]] = {}
    by = ["weight", "t", "temperature", "gamma"]
    for method in TITLES:
        here = table[table.method == method]
        for (weight, t, temperature, gamma), ends in here.groupby(by, dropna=False):
            setting = f", w = {weight:g}" if pd.notna(weight) else f", t = {t:g}" if pd.notna(t) else ""
            column = f"τ = {temperature:g}" if pd.notna(temperature) else f"γ = {gamma:g}"
            rows.setdefault(TITLES[method] + setting, dict.fromkeys(columns, ""))[column] = _arrivals(ends)
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("loss").reset_index()


def _values(table: pd.DataFrame, sign: str, column: str) -> list[str]:
    return [f"{sign} = {value:g}" for value in sorted(table[column].dropna().unique())]


def _arrivals(ends: pd.DataFrame) -> str:
    reached, minima = int(ends.reached.sum()), int(ends.local_minimum.sum())
    interval = binomtest(reached, len(ends)).proportion_ci(0.95)
    stuck = "" if reached == len(ends) else f", {minima} in local minima"
    return f"{reached}/{len(ends)} ({100 * interval.low:.0f} to {100 * interval.high:.0f} %){stuck}"


MAKERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    "claims_summary": claims_summary,
    "verdicts": verdicts,
    "gaps": gaps,
    "local_minima": local_minima,
}
"""Of the tables named in `dhel_kcl.theory.TABLES`, from the folder of the experiments' results."""
