"""Draw a figure of a suite, or of a theory experiment, as PDF and PNG.

Example:
    dhel-kcl draw --root . --suite digits --results results/digits --name spectra --out spectra
    dhel-kcl draw --theory --results results/theory --name minima --out minima
"""

from importlib import import_module
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from dhel_kcl.evidence.figures import FIGURES, figures_of
from dhel_kcl.evidence.tidy import Results
from dhel_kcl.presentation import style
from dhel_kcl.runtime import cli
from dhel_kcl.study.suite import Suite
from dhel_kcl.theory import EXPERIMENTS


def of_suite(suite: Suite, results: Path, name: str) -> Figure:
    """A figure of a suite, from its tidy tables in the folder `results`. Raises ValueError if it has no such figure."""
    if name not in figures_of(suite):
        raise ValueError(cli.unknown(f"figure of suite {suite.name}", name, figures_of(suite)))
    figure: Figure = FIGURES[name].make(Results(results, suite))
    return figure


def of_theory(results: Path, name: str) -> Figure:
    """The figure of an experiment, from its table in the folder `results`. Raises ValueError if there is none."""
    if name not in EXPERIMENTS:
        raise ValueError(cli.unknown("figure of the theory", name, EXPERIMENTS))
    table = results / f"{name}.csv"
    if not table.is_file():
        raise FileNotFoundError(f"{table} is missing; run `snakemake --cores all theory` to make it")
    figure: Figure = import_module(f"dhel_kcl.theory.figures.{name}").draw(pd.read_csv(table))
    return figure


def main() -> None:
    parser = cli.parser(__doc__)
    cli.add_target(parser)
    parser.add_argument("--results", required=True, type=Path, help="folder of the suite's tidy tables or the theory's")
    parser.add_argument(
        "--name",
        required=True,
        help=f"figure to draw; of a suite: {', '.join(FIGURES)}; of the theory: {', '.join(EXPERIMENTS)}",
    )
    parser.add_argument("--out", required=True, type=Path, help="path without extension; .pdf and .png are written")
    args = parser.parse_args()

    style.set_theme()
    if args.theory:
        figure = of_theory(args.results, args.name)
    else:
        figure = of_suite(Suite.load(args.root, args.suite), args.results, args.name)
    style.save(figure, args.out)
