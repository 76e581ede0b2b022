"""What a suite that is partly done has so far: its tables, verdicts and figures, with the rest marked as not run.

Runs the steps that Snakemake runs when all runs are there, on those that are complete, and writes
tidy tables, tables/ and figures/ below --out.

Example:
    python -m dhel_kcl.steps.interim --root . --suite paper --out partial/paper
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

    def step(module: str, *arguments: str | Path) -> None:
        command = [sys.executable, "-m", f"dhel_kcl.{module}", "--root", args.root, "--suite", args.suite, *arguments]
        if subprocess.run(command, check=False).returncode:
            raise ValueError(f"{module} failed, see above")
        print(*arguments[-1:])

    step("combine", "--partial", "--out", out)
    step("claims", "--results", out, "--out", out / "claims.csv")
    for name in tables_of(suite):
        step("table", "--results", out, "--name", name, "--out", out / "tables" / name)
    for name in figures_of(suite):
        step(f"figures.{name}", "--results", out, "--out", out / "figures" / name)


if __name__ == "__main__":
    cli.run(main)
