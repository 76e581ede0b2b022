"""Theory: the experiments' tables as CSV, Markdown, LaTeX and HTML.

claims_summary: numbers of verdicts by claim. verdicts: every statement with measured value, threshold and verdict.
gaps: by loss and (d, M), the smallest gap to the least value and the share of random starts that reached it.

Example:
    python -m dhel_kcl.theory.tables --results results/theory --name gaps --out paper_figures/theory/gaps
"""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from dhel_kcl.presentation.claim_names import CLAIMS
from dhel_kcl.presentation.table_files import write_table
from dhel_kcl.runtime import cli
from dhel_kcl.runtime.files import read_json
from dhel_kcl.theory import EXPERIMENTS, TABLES
from dhel_kcl.theory.experiment import CONTRADICTED, SUPPORTED
from dhel_kcl.theory.figures import TITLES


def verdicts(results: Path) -> pd.DataFrame:
    """One row a statement, in the order of the experiments."""
    rows = [{"experiment": name} | row for name in EXPERIMENTS for row in read_json(results / f"{name}.json")]
    table = pd.DataFrame(rows)
    return table.assign(measured=[f"{value:.3g}" for value in table.measured])


def gaps(results: Path) -> pd.DataFrame:
    """One row a loss, one column a (d, M): "best gap (share of starts that reached)"."""
    ends = pd.read_csv(results / "minima.csv")
    rows = []
    for method, of_method in ends.groupby("method", sort=False):
        row = {"loss": TITLES[method]}
        for (dim, count), cell in of_method.groupby(["dim", "count"], sort=False):
            row[f"d={dim}, M={count}"] = f"{cell.gap.min():.0e} ({cell.reached.sum()}/{len(cell)})"
        rows.append(row)
    return pd.DataFrame(rows)


def claims_summary(results: Path) -> pd.DataFrame:
    """Number of statements by claim, and by limits of a claim, and verdict."""
    counts = verdicts(results).groupby("claim").verdict.value_counts().unstack(fill_value=0)
    counts = counts.reindex(columns=[SUPPORTED, CONTRADICTED], fill_value=0)
    counts.index = counts.index.map(lambda claim: f"{claim}: {CLAIMS[claim]}" if claim in CLAIMS else claim)
    return counts.astype(str).rename_axis(index="claim", columns=None).reset_index()


MAKERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    "claims_summary": claims_summary,
    "verdicts": verdicts,
    "gaps": gaps,
}


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--results", required=True, type=Path, help="folder of the experiments' results")
    parser.add_argument("--name", required=True, choices=TABLES, help="table to make")
    parser.add_argument("--out", required=True, type=Path, help="path without extension")
    args = parser.parse_args()
    write_table(MAKERS[args.name](args.results), args.out)


if __name__ == "__main__":
    cli.run(main)
