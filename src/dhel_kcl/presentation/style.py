"""One look for all figures: sizes of a two-column page, one colour and marker a loss, reproducible files."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dhel_kcl.evidence.tidy import Results
from dhel_kcl.runtime import cli
from dhel_kcl.runtime.files import atomic
from dhel_kcl.study.suite import Suite, dataset_title

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


def panels(count: int, height: float, sharey: bool = True) -> tuple[Figure, list[Axes]]:
    """A row of `count` panels: a column wide for one, else a page wide."""
    width = COLUMN if count == 1 else PAGE
    fig, axes = plt.subplots(1, count, figsize=(width, height), sharey=sharey, squeeze=False, layout="constrained")
    return fig, list(axes[0])


def cells(results: Results, xlabel: str, ylabel: str) -> tuple[Figure, dict[tuple[str, int], Axes]]:
    """A panel for each data set and batch size; those of a data set lie in one row, sharing the y axis, and further
    data sets in the same row while there is room."""
    columns = max(len(results.sizes(dataset)) for dataset in results.datasets)
    rows: list[list[tuple[str, int]]] = [[]]
    for dataset in results.datasets:
        panels = [(dataset, size) for size in results.sizes(dataset)]
        if len(rows[-1]) + len(panels) > columns:
            rows.append([])
        rows[-1] += panels
    width, height = (COLUMN if columns == 1 else PAGE), (2.1 if len(rows) == 1 else 0.6 + 1.6 * len(rows))
    fig, axes = plt.subplots(len(rows), columns, figsize=(width, height), squeeze=False, layout="constrained")
    found: dict[tuple[str, int], Axes] = {}
    for row, line in zip(rows, axes, strict=True):
        for ax in line[len(row) :]:
            ax.set_axis_off()
        for (dataset, size), ax in zip(row, line, strict=False):
            first = found.get((dataset, results.sizes(dataset)[0]))
            if first is None:
                ax.set_ylabel(ylabel)
            else:
                ax.sharey(first)
                ax.tick_params(which="both", labelleft=False)
            ax.set_title(f"{dataset_title(dataset)}, M = {size}")
            found[dataset, size] = ax
    for column in range(columns):
        lowest = max(k for k, row in enumerate(rows) if len(row) > column)
        axes[lowest, column].set_xlabel(xlabel)
    return fig, found


def not_run(ax: Axes) -> None:
    """Say that there is nothing to draw."""
    ax.text(0.5, 0.5, "not run", ha="center", va="center", transform=ax.transAxes, color=FLOOR_COLOUR)
    ax.tick_params(which="both", left=False, labelleft=False, bottom=False, labelbottom=False)


def curve(ax: Axes, x: pd.Series, mean: pd.Series, spread: pd.Series, every: int, **look: Any) -> None:
    """A mean with a band of one standard deviation; a marker at every `every`-th point."""
    spread = spread.fillna(0)
    ax.fill_between(x, mean - spread, mean + spread, color=look["color"], alpha=0.2, linewidth=0)
    ax.plot(x, mean, markevery=every, markersize=3.5, linewidth=1.2, **look)


def legend(fig: Figure, handles: Sequence[Artist], columns: int = 5) -> None:
    """One legend for all panels, below them."""
    if handles:
        fig.legend(handles=handles, loc="outside lower center", ncols=min(columns, len(handles)), frameon=False)


def handle(method: str, suite: Suite, **changes: Any) -> Line2D:
    options = {"markersize": 4, "linewidth": 1.2} | look(method, suite) | changes
    return Line2D([], [], label=suite.title(method), **options)


def selected_handle() -> Line2D:
    """For figures in which open markers are settings that were not selected."""
    return Line2D([], [], marker="o", linestyle="", color="#777777", markersize=4, label="selected (filled)")


def floor_handle(floor: str, suite: Suite) -> Line2D:
    return Line2D([], [], color=FLOOR_COLOUR, linestyle=FLOOR_LINES[floor], linewidth=1, label=suite.title(floor))


def main(draw: Callable[[Results], Figure], description: str | None) -> None:
    """Command line of a figure: read the suite's tables, draw, write <out>.pdf and <out>.png."""
    parser = cli.suite_parser(description)
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
