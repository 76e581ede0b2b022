"""Say how small an effect each statement of a suite can see, before it is run: with 80 % power, after correction.

The spread of a run over seeds comes from the tidy tables of a pilot, whatever suite it is of; the seeds, batch sizes,
grids and number of tests from the suite's config. Prints a table in Markdown.

Example:
    dhel-kcl power --root . --suite cifar10_laptop --pilot results/digits
"""

from pathlib import Path

from dhel_kcl.evidence import ledger
from dhel_kcl.evidence.power import Spreads, sights, tabulate
from dhel_kcl.evidence.tidy import Results
from dhel_kcl.presentation.table_files import markdown
from dhel_kcl.runtime import cli
from dhel_kcl.study.suite import Suite


def main() -> None:
    parser = cli.suite_parser(__doc__)
    parser.add_argument("--pilot", required=True, type=Path, help="folder of a pilot's tidy tables, with runs.csv")
    args = parser.parse_args()
    suite, book = Suite.load(args.root, args.suite), ledger.read()
    if not (runs := args.pilot / "runs.csv").is_file():
        raise FileNotFoundError(f"{runs} is missing; give --pilot the folder of results such as results/digits")
    pilot = Results(args.pilot, suite)
    spreads = {column: Spreads.measured(pilot, column) for column in {each.column for each in book.statements}}
    seen = list(sights(suite, book, spreads))
    if not seen:
        raise ValueError(f"suite {args.suite} can judge no statement: too few seeds, or losses of the ledger")
    print(markdown(tabulate(seen)), end="")
