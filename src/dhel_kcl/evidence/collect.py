"""From the runs of a suite to its tidy tables, which all verdicts, tables and figures are made from.

Only runs that the suite's config asks for are read, and only if they were made with this config and code: leftovers and
files copied in by hand never reach a table.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from dhel_kcl.evidence.run_files import REMEDY, Measured, RunFiles, has_loss, number
from dhel_kcl.evidence.tidy import COLUMNS, CONFIGURATION, Results, judged, pack
from dhel_kcl.files import reading
from dhel_kcl.study import layout
from dhel_kcl.study.suite import Run, Suite, dataset_title

Speeds = dict[tuple[str, int], float]
"""{(data set, batch size): views a second}."""
Headlines = dict[str, dict[str, float]]
"""{metric: {loss or floor: value}}, as people call them."""
HEADLINES = {"accuracy": ("test_accuracy", 2), "rank": ("z_effective_rank", 1)}
"""Columns of runs.csv in metrics.json, with their digits."""


def collect(suite: Suite, code: Callable[[Run], str], partial: bool = False) -> dict[str, pd.DataFrame]:
    """The tidy tables of `tidy.COLUMNS` from the runs below the working directory.

    Args:
        suite: what was asked for.
        code: digest of the code that a run must have been pretrained with.
        partial: leave out what is not there yet, so that a suite can be looked at while it runs; damaged and foreign
            runs are refused in either case.

    Raises DamagedError or FileNotFoundError that names the file, ValueError if nothing is there.
    """
    files = RunFiles(suite, code, partial)
    runs = [files.read(run) for run in suite.runs if not partial or files.is_complete(run)]
    if not runs:
        remedy = f"start it with `snakemake --cores all {suite.name}`, or `dvc pull` what others have run"
        raise ValueError(f"no run of suite {suite.name} is complete; {remedy}")
    plan = Path(layout.PLAN.format(suite=suite.name))
    asked = {(run.dataset, run.batch_size) for run in suite.runs if has_loss(run)}
    return tables(runs, {} if partial and not plan.is_file() else planned_speeds(plan, asked))


def joined(parts: Iterable[Results]) -> dict[str, pd.DataFrame]:
    """The tidy tables of several suites, one after the other, as texts, so that no number is rounded.

    Raises FileNotFoundError or ValueError that names a table that is missing or of another version.
    """
    found: dict[str, list[pd.DataFrame]] = {name: [] for name in COLUMNS}
    for part in parts:
        for name, tables in found.items():
            part.table(name)  # which checks it
            tables.append(pd.read_csv(part.folder / f"{name}.csv", dtype=str, keep_default_na=False))
    return {name: pd.concat(tables).fillna("") for name, tables in found.items()}


def tables(runs: list[Measured], planned: Speeds) -> dict[str, pd.DataFrame]:
    """The tidy tables of these runs."""
    shown = [(run, run.details) for run in runs if run.details]
    logs = [(run, details.log) for run, details in shown if details.log is not None]
    curves = [log.assign(**run.configuration, seed=run.run.seed) for run, log in logs]
    spectra = [details.spectrum.assign(**run.configuration) for run, details in shown]
    densities = [details.similarities.assign(**run.configuration) for run, details in shown]
    predictions = [
        run.configuration | {"seed": run.run.seed, "images": len(details.correct), "correct": pack(details.correct)}
        for run, details in shown
    ]
    return {
        "runs": pd.DataFrame([run.row for run in runs]),
        "epochs": (pd.concat(curves) if curves else pd.DataFrame()).reindex(columns=COLUMNS["epochs"]),
        "predictions": pd.DataFrame(predictions, columns=COLUMNS["predictions"]),
        "spectra": over_seeds(spectra, ["space", "index"], "singular_value"),
        "similarities": over_seeds(densities, ["space", "similarity"], "density"),
        "costs": costs(runs, planned),
    }


def over_seeds(runs: Iterable[pd.DataFrame], by: list[str], value: str) -> pd.DataFrame:
    """Mean, standard deviation (empty for one seed) and number of `value` over seeds."""
    empty = pd.DataFrame(columns=[*CONFIGURATION, *by, value])
    grouped = pd.concat(list(runs) or [empty]).groupby([*CONFIGURATION, *by], sort=False)[value]
    return grouped.agg(["mean", "std", "count"]).rename(columns={"count": "seeds"}).reset_index()


def costs(runs: list[Measured], planned: Speeds) -> pd.DataFrame:
    """Time and speed of training by loss and batch size: as measured in the runs, and as planned before."""
    rows = [
        run.configuration | {"seconds": run.training.seconds, "views": run.training.views}
        for run in runs
        if run.training and has_loss(run.run)
    ]
    grouped = pd.DataFrame(rows, columns=[*CONFIGURATION, "seconds", "views"]).groupby(CONFIGURATION, sort=False)
    table = grouped.agg(
        runs=("seconds", "size"),
        seconds_a_run=("seconds", "mean"),
        total_seconds=("seconds", "sum"),
        views_per_second=("views", "sum"),
    ).reset_index()
    table["views_per_second"] /= table.total_seconds
    cells = zip(table.dataset, table.batch_size, strict=True)
    return table.assign(planned_views_per_second=np.array([planned.get(cell, np.nan) for cell in cells], float))


def planned_speeds(path: Path, asked: set[tuple[str, int]]) -> Speeds:
    """What `plan` wrote. Raises DamagedError if a data set and batch size that is asked for has no speed there."""
    with reading(path, REMEDY):
        rows = pd.read_csv(path).itertuples()
        speeds = {
            (row.dataset, row.batch_size): number(float(row.views_per_second), "views_per_second", 0) for row in rows
        }
        if missing := asked - speeds.keys():
            raise ValueError("no speed on {} at M = {}".format(*min(missing)))
    return speeds


def summary(runs: pd.DataFrame, suite: Suite) -> Headlines | dict[str, Headlines]:
    """{"accuracy": {"SimCLR": 97.1, ...}, ...} of the selected settings, at the final length where there is one, means
    over batch sizes and seeds, and of the floors; by data set if the suite has several."""
    shown = judged(runs[runs.selected & runs.section.isin(["losses", "final", "floors"])], suite)
    found: dict[str, Headlines] = {}
    for dataset, rows in shown.groupby("dataset", sort=False):
        means = rows.groupby("method", sort=False)[[column for column, _ in HEADLINES.values()]].mean()
        means.index = means.index.map(suite.title)
        found[dataset_title(str(dataset))] = {
            name: {str(title): round(float(mean), digits) for title, mean in means[column].dropna().items()}
            for name, (column, digits) in HEADLINES.items()
        }
    return found if len(suite.datasets) > 1 else next(iter(found.values()), {})
