"""One look for all figures: sizes of a two-column page, one colour and marker a loss, reproducible files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dhel_kcl import cli
from dhel_kcl.files import atomic
from dhel_kcl.results import Results
from dhel_kcl.suite import Suite

COLUMN, PAGE = 3.25, 6.75
"""Widths in inches of a column and of the page."""

# Colours of Okabe & Ito (2008), distinguishable with every common colour vision deficiency.
LOOKS = {
    "simclr": ("#0072B2", "o"),
    "dcl": ("#56B4E9", "s"),
    "dhel": ("#D55E00", "D"),
    "kcl-gaussian": ("#009E73", "^"),
    "kcl-log": ("#CC79A7", "v"),
    "infonce": ("#000000", "*"),
    "dhel-anchor": ("#E69F00", "<"),
    "dhel-mean": ("#8C564B", ">"),
    "kcl-imq": ("#7F7F7F", "P"),
    "kcl-riesz": ("#999933", "X"),
}
OTHERS = [("#332288", "h"), ("#882255", "p"), ("#44AA99", "d"), ("#AA4499", "H"), ("#661100", "8")]
FLOOR_COLOUR = "#555555"
FLOOR_LINES: dict[str, Any] = {"pixels": ":", "random": "--", "supervised": "-."}


def look(method: str, suite: Suite) -> dict[str, Any]:
    """Colour and marker of a loss, the same in every figure of the suite."""
    others = [name for name in suite.methods if name not in LOOKS]
    colour, marker = LOOKS.get(method) or OTHERS[others.index(method) % len(OTHERS)]
    return {"color": colour, "marker": marker}


def panels(count: int, height: float) -> tuple[Figure, list[Axes]]:
    """A row of `count` panels with axes of their own: a column wide for one, else a page wide."""
    width = COLUMN if count == 1 else PAGE
    fig, axes = plt.subplots(1, count, figsize=(width, height), squeeze=False, layout="constrained")
    return fig, list(axes[0])


def cells(results: Results, xlabel: str, ylabel: str) -> tuple[Figure, dict[tuple[str, int], Axes]]:
    """A row of panels a data set, a column a batch size, those that the suite asks for; each row shares its y axis."""
    datasets, sizes = results.datasets, results.all_sizes
    height = 2.1 if len(datasets) == 1 else 0.7 + 1.4 * len(datasets)
    width = COLUMN if len(datasets) == len(sizes) == 1 else PAGE
    fig, axes = plt.subplots(
        len(datasets), len(sizes), figsize=(width, height), sharey="row", squeeze=False, layout="constrained"
    )
    fig.supxlabel(xlabel, fontsize="medium")
    found = {}
    for dataset, row in zip(datasets, axes, strict=True):
        asked = results.sizes(dataset)
        for size, ax in zip(sizes, row, strict=True):
            if size not in asked:
                ax.set_axis_off()
                continue
            if size == asked[0]:
                ax.set_ylabel(ylabel)
                ax.tick_params(labelleft=True)
            ax.set_title(f"{dataset}, M = {size}")
            found[dataset, size] = ax
    return fig, found


def not_run(ax: Axes) -> None:
    """Say that there is nothing to draw."""
    ax.text(0.5, 0.5, "not run", ha="center", va="center", transform=ax.transAxes, color=FLOOR_COLOUR)


def legend(fig: Figure, handles: list[Line2D], columns: int = 5) -> None:
    """One legend for all panels, below them."""
    fig.legend(handles=handles, loc="outside lower center", ncols=min(columns, len(handles)), frameon=False)


def handle(method: str, suite: Suite, **changes: Any) -> Line2D:
    options = {"markersize": 4, "linewidth": 1.2} | look(method, suite) | changes
    return Line2D([], [], label=suite.title(method), **options)


def floor_handle(floor: str, suite: Suite) -> Line2D:
    return Line2D([], [], color=FLOOR_COLOUR, linestyle=FLOOR_LINES[floor], linewidth=1, label=suite.title(floor))


def main(draw: Callable[[Results], Figure], description: str | None) -> None:
    """Command line of a figure: read the suite's tables, draw, write <out>.pdf and <out>.png."""
    parser = cli.parser(description)
    parser.add_argument("--root", required=True, type=Path, help="repository folder, whose config is read")
    parser.add_argument("--suite", required=True, help="name of the suite")
    parser.add_argument("--results", required=True, type=Path, help="folder of the suite's tidy tables")
    parser.add_argument("--out", required=True, type=Path, help="path without extension; .pdf and .png are written")
    args = parser.parse_args()
    set_theme()
    save(draw(Results(args.results, Suite.load(args.root, args.suite))), args.out)


def theory_main(draw: Callable[[pd.DataFrame], Figure], description: str | None) -> None:
    """Command line of a figure of a theory experiment: read its table, draw, write <out>.pdf and <out>.png."""
    parser = cli.parser(description)
    parser.add_argument("--table", required=True, type=Path, help="the experiment's .csv")
    parser.add_argument("--out", required=True, type=Path, help="path without extension; .pdf and .png are written")
    args = parser.parse_args()
    set_theme()
    save(draw(pd.read_csv(args.table)), args.out)


def set_theme() -> None:
    sns.set_theme(style="ticks", context="paper", font_scale=0.85, rc={"pdf.fonttype": 42, "axes.titlesize": "medium"})


def save(fig: Figure, out: Path) -> None:
    """Write `out`.pdf and `out`.png."""
    sns.despine(fig)
    # No date and no version inside the files: the same data give the same bytes.
    for extension, metadata in (("pdf", {"CreationDate": None}), ("png", {"Software": None})):
        with atomic(out.with_suffix(f".{extension}")) as file:
            fig.savefig(file, format=extension, dpi=200, metadata=metadata)
