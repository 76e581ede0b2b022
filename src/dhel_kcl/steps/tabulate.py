"""Make a table of a suite, or of the theory, as CSV, Markdown, LaTeX (booktabs) and HTML.

With --published it is the table of what others published, which needs no results. A cell that the suite asks for and
that has no run says "not run".

Example:
    dhel-kcl tabulate --root . --suite digits --results results/digits --name geometry --out geometry
    dhel-kcl tabulate --theory --results results/theory --name gaps --out gaps
    dhel-kcl tabulate --published --out published
"""

from pathlib import Path

import pandas as pd

from dhel_kcl.evidence.tables import TABLES, tables_of
from dhel_kcl.evidence.tables.published import by_others
from dhel_kcl.evidence.tidy import Results
from dhel_kcl.presentation.table_files import FORMATS, write_table
from dhel_kcl.runtime import cli
from dhel_kcl.study.suite import Suite
from dhel_kcl.theory import TABLES as THEORY_TABLES
from dhel_kcl.theory.tables import MAKERS


def of_suite(suite: Suite, results: Path, name: str) -> pd.DataFrame:
    """A table of a suite, from its tidy tables in the folder `results`. Raises ValueError if it has no such table."""
    if name not in tables_of(suite):
        raise ValueError(cli.unknown(f"table of suite {suite.name}", name, tables_of(suite)))
    table: pd.DataFrame = TABLES[name].make(Results(results, suite))
    return table


def of_theory(results: Path, name: str) -> pd.DataFrame:
    """A table of the theory, from its experiments' results. Raises ValueError if there is no such table."""
    if name not in THEORY_TABLES:
        raise ValueError(cli.unknown("table of the theory", name, THEORY_TABLES))
    return MAKERS[name](results)


def main() -> None:
    parser = cli.parser(__doc__)
    what = cli.add_target(parser)
    what.add_argument("--published", action="store_true", help="what others published, instead of results")
    parser.add_argument("--results", type=Path, help="folder of the suite's tidy tables, or of the theory's results")
    parser.add_argument(
        "--name", help=f"table to make; of a suite: {', '.join(TABLES)}; of the theory: {', '.join(THEORY_TABLES)}"
    )
    parser.add_argument("--note", default="", help="sentence to write below the table, though not into the CSV")
    parser.add_argument("--out", required=True, type=Path, help=f"path without extension; writes {', '.join(FORMATS)}")
    args = parser.parse_args()
    if not args.published and not (args.results and args.name):
        parser.error("--suite and --theory need --results and --name")

    if args.published:
        table = by_others()
    elif args.theory:
        table = of_theory(args.results, args.name)
    else:
        table = of_suite(Suite.load(args.root, args.suite), args.results, args.name)
    write_table(table, args.out, args.note)
