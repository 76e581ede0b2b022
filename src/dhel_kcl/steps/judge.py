"""Judge each claim of the paper by a suite's results: estimate, interval and verdict of every statement.

The statements, with their statistics, signs, thresholds and margins, are data: evidence/claims.yaml in this package.
Each is judged on each data set from the tidy tables alone; docs/claims.md says how. Runs that were not trained by the
plan (docs/analysis_plan.md below --root) and the statements as these are now make it exploratory. Writes one CSV.

Example:
    dhel-kcl judge --root . --suite digits --results results/digits --out results/digits/claims.csv
"""

from pathlib import Path

from dhel_kcl.evidence import ledger, stray_rows, tidy
from dhel_kcl.evidence.status import Present
from dhel_kcl.evidence.verdicts import judge
from dhel_kcl.runtime import cli
from dhel_kcl.study.suite import Suite


def main() -> None:
    parser = cli.suite_parser(__doc__)
    parser.add_argument("--results", required=True, type=Path, help="folder of the suite's tidy tables")
    parser.add_argument("--out", required=True, type=Path, help="file to write (claims.csv)")
    args = parser.parse_args()
    write(tidy.Results(args.results, Suite.load(args.root, args.suite)), args.root, args.out)


def write(results: tidy.Results, root: Path, out: Path) -> None:
    """Write the ledger of a suite's results, judged by the plan below `root`."""
    stray_rows.refuse(results)
    tidy.write(out, judge(results, ledger.read(), Present.read(root)))
