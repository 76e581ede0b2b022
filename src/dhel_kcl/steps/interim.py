"""Make tables, ledger and figures of what a suite has so far; the rest is marked as not run.

Runs the steps that Snakemake runs when all runs are there, on those that are complete, and writes tidy tables, tables/
and figures/ below --out.

Example:
    dhel-kcl interim --root . --suite cifar10 --out interim/cifar10
"""

import subprocess
import sys
from pathlib import Path

from dhel_kcl.evidence.figures import figures_of
from dhel_kcl.evidence.tables import tables_of
from dhel_kcl.runtime import cli
from dhel_kcl.study.suite import Suite


def main() -> None:
    parser = cli.suite_parser(__doc__, tables=False)
    parser.add_argument("--out", required=True, type=Path, help="folder to write")
    args = parser.parse_args()
    suite, out = Suite.load(args.root, args.suite), args.out

    def step(name: str, *arguments: str | Path) -> None:
        command = [sys.executable, "-m", "dhel_kcl", name, "--root", args.root, "--suite", args.suite, *arguments]
        if subprocess.run(command, check=False).returncode:
            raise ValueError(f"{name} failed, see above")
        print(*arguments[-1:])

    step("collect", "--partial", "--out", out)
    step("judge", "--results", out, "--out", out / "claims.csv")
    for name in tables_of(suite):
        step("tabulate", "--results", out, "--name", name, "--out", out / "tables" / name)
    for name in figures_of(suite):
        step("draw", "--results", out, "--name", name, "--out", out / "figures" / name)
