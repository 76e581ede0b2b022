"""Compare a rerun's runs.csv with that of a commit, against stated tolerances.

Compared are the means over seeds of each selected setting, point of the causes and floor. On the machine and versions
that made the committed results the differences are 0. On others float32 sums round differently and training amplifies
that: the tolerances are about three standard deviations between seeds, not rounding errors. Selection may then pick
another grid point, whose geometry is another: it is named, and only its accuracy compared.

Example:
    dhel-kcl compare --root . --suite digits
"""

import io
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from dhel_kcl.evidence.tidy import CONFIGURATION, Results
from dhel_kcl.runtime import cli
from dhel_kcl.runtime.repository import GitError, git
from dhel_kcl.study import layout
from dhel_kcl.study.suite import Suite

NEEDED = (*CONFIGURATION, "selected", "parameters")
"""Columns of a runs.csv that say which of its rows are compared with which."""
TOLERANCES = {
    "test_accuracy": 2.0,  # percentage points
    "validation_accuracy": 2.0,  # percentage points
    "z_alignment": 0.1,
    "z_uniformity": 0.3,
    "z_wasserstein_uniformity": 0.03,
    "z_effective_rank": 4.0,
    "z_effective_rank_centred": 4.0,
    "z_covariance_rank": 8.0,
    "h_alignment": 0.1,
    "h_uniformity": 0.3,
    "h_wasserstein_uniformity": 0.1,
    "h_effective_rank": 4.0,
    "h_effective_rank_centred": 4.0,
    "h_covariance_rank": 8.0,
    "seeds": 0,
}
GEOMETRY = ("z_", "h_")
"""How the columns begin that depend on the selected setting."""


@dataclass
class Comparison:
    """What differs. largest: by column. moved: settings where another grid point is selected. beyond: differences
    beyond their tolerances, and what is only in one of the two."""

    largest: dict[str, float] = field(default_factory=dict)
    moved: list[str] = field(default_factory=list)
    beyond: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        of_columns = [
            f"{name}: largest difference {self.largest[name]:.4g}, tolerance {TOLERANCES[name]:g}"
            for name in sorted(self.largest)
        ]
        return [*of_columns, *self.moved, *(f"BEYOND TOLERANCE {line}" for line in self.beyond)]


def selected(runs: pd.DataFrame) -> pd.DataFrame:
    """One row a selected setting, point of the causes or floor of a runs.csv: means over seeds, number of seeds,
    parameters. A point is named by loss and parameters, since a loss has several."""
    causes = runs.section == "causes"
    shown = runs[causes | runs.selected.astype(bool)]
    point = shown.method + " " + shown.parameters.astype(str)
    shown = shown.assign(method=shown.method.where(shown.section != "causes", point))
    grouped = shown.groupby(CONFIGURATION, sort=False)
    columns = [name for name in TOLERANCES if name in shown]
    return grouped[columns].mean().assign(seeds=grouped.size(), parameters=grouped.parameters.first())


def compare(committed: pd.DataFrame, rerun: pd.DataFrame) -> Comparison:
    """How two results of `selected` differ."""
    found = Comparison()
    alone = committed.index.symmetric_difference(rerun.index, sort=False)
    found.beyond += [f"{_name(key)}: only in one of the two" for key in sorted(alone)]
    for key in committed.index.intersection(rerun.index, sort=False):
        before, now = committed.loc[key], rerun.loc[key]
        moved = not (pd.isna(before.parameters) or before.parameters == now.parameters)
        if moved:
            found.moved.append(f"{_name(key)}: {before.parameters} selected before, {now.parameters} now")
        for column, tolerance in TOLERANCES.items():
            if moved and column.startswith(GEOMETRY):
                continue
            old, new = before.get(column), now.get(column)
            if pd.isna(old) and pd.isna(new):
                continue
            if pd.isna(old) or pd.isna(new):
                found.beyond.append(f"{_name(key)}.{column}: only in one of the two")
                continue
            found.largest[column] = max(found.largest.get(column, 0.0), abs(old - new))
            if abs(old - new) > tolerance:
                found.beyond.append(f"{_name(key)}.{column}: {old:.4g} committed, {new:.4g} now")
    return found


def _name(key: tuple[str, str, str, int]) -> str:
    return "{}.{}.{}.M{}".format(*key)


def shown(path: Path, revision: str) -> str:
    """Content of a file in a commit. Raises ValueError if it is not there, or nothing is."""
    try:
        return git(path.parent, "show", f"{revision}:./{path.name}")
    except GitError as error:
        lacking = "; what is compared comes from Git's history, which an archive of the sources lacks: clone them"
        raise ValueError(f"{path} is not in {revision}: {error}{lacking if error.no_repository else ''}") from error


def committed_runs(path: Path, revision: str) -> pd.DataFrame:
    """The runs.csv at `path` as a commit has it. Raises ValueError if that can't be compared with."""
    runs = pd.read_csv(io.StringIO(shown(path, revision)))
    if lacking := [name for name in NEEDED if name not in runs]:
        raise ValueError(f"{path}: in {revision} it has no column {lacking[0]!r}; name a later commit with --revision")
    return runs


def main() -> None:
    parser = cli.suite_parser(__doc__)
    parser.add_argument("--revision", default="HEAD", help="commit to compare with")
    args = parser.parse_args()
    suite = Suite.load(args.root, args.suite)
    path = args.root / layout.TIDY.format(suite=suite.name, table="runs")
    rerun = Results(path.parent, suite).runs
    committed = selected(committed_runs(path, args.revision))
    if committed.empty:
        raise ValueError(f"{path}: in {args.revision} it has no row to compare")
    found = compare(committed, selected(rerun))
    print("\n".join([f"{path} against {args.revision}", *found.lines()]))
    if found.beyond:
        raise SystemExit(1)
