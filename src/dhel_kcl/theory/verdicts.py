"""Theory: the verdicts of all experiments as one table (CSV, Markdown, LaTeX).

Example:
    python -m dhel_kcl.theory.verdicts --results results/theory --out paper_figures/theory/verdicts
"""

from pathlib import Path

import pandas as pd

from dhel_kcl import cli
from dhel_kcl.files import read_json
from dhel_kcl.table import write_table
from dhel_kcl.theory import EXPERIMENTS


def collect(results: Path) -> pd.DataFrame:
    """One row a statement, in the order of the experiments."""
    rows = [{"experiment": name} | row for name in EXPERIMENTS for row in read_json(results / f"{name}.json")]
    table = pd.DataFrame(rows)
    return table.assign(measured=[f"{value:.3g}" for value in table.measured])


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--results", required=True, type=Path, help="folder of the experiments' .json files")
    parser.add_argument("--out", required=True, type=Path, help="path without extension")
    args = parser.parse_args()
    write_table(collect(args.results), args.out)


if __name__ == "__main__":
    cli.run(main)
