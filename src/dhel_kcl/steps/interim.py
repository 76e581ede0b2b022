"""Make tables, ledger and figures of what a suite has so far; the rest is marked as not run.

Does what Snakemake's jobs do when all runs are there, with those that are complete, and writes tidy tables, tables/ and
figures/ below --out. Run it where the suite runs.

Example:
    dhel-kcl interim --root . --suite cifar10 --out interim/cifar10
"""

from pathlib import Path

from dhel_kcl.evidence.figures import figures_of
from dhel_kcl.evidence.tables import tables_of
from dhel_kcl.evidence.tidy import Results
from dhel_kcl.presentation import style
from dhel_kcl.presentation.table_files import write_table
from dhel_kcl.runtime import cli
from dhel_kcl.steps import collect, draw, judge, tabulate
from dhel_kcl.study.suite import Suite


def main() -> None:
    parser = cli.suite_parser(__doc__)
    parser.add_argument("--out", required=True, type=Path, help="folder to write")
    args = parser.parse_args()
    suite, out = Suite.load(args.root, args.suite), args.out
    collect.gather(suite, out, partly=True)
    judge.write(Results(out, suite), args.root, out / "claims.csv")
    print(out)
    for name in tables_of(suite):
        write_table(tabulate.of_suite(suite, out, name), out / "tables" / name)
        print(out / "tables" / name)
    style.set_theme()
    for name in figures_of(suite):
        style.save(draw.of_suite(suite, out, name), out / "figures" / name)
        print(out / "figures" / name)
