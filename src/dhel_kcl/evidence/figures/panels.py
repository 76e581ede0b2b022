"""What the figures of a suite share: its losses' looks, a grid of panels, the entries of the legend."""

from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dhel_kcl.evidence.tidy import Results
from dhel_kcl.presentation import style
from dhel_kcl.study.suite import Suite, dataset_title

FLOOR_LINES: dict[str, Any] = {"pixels": ":", "random": "--", "supervised": "-."}


def look(method: str, suite: Suite) -> dict[str, Any]:
    """Colour and marker of a loss, the same in every figure of the suite. A name that is no entry's, as
    that of a kind of losses, has the first that no entry has. Where colours come again, markers are others."""
    others = [name for name in suite.methods if name not in style.LOOKS]
    position = others.index(method) if method in others else len(others)
    turn, place = divmod(position, len(style.OTHERS))
    colour, marker = style.OTHERS[place][0], style.OTHERS[(place + turn) % len(style.OTHERS)][1]
    return dict(zip(("color", "marker"), style.LOOKS.get(method, (colour, marker)), strict=True))


def over_seeds(results: Results, mark: str) -> str:
    """The end of a title: that bars, or a shade, are of one standard deviation, or that there is one seed."""
    runs = results.selected[results.selected.method.isin(results.methods("losses"))]
    several = runs.groupby(["dataset", "method", "batch_size"]).seed.nunique().gt(1).any()
    return f"({mark}: 1 SD over seeds)" if several else "(one seed)"


def heading(suite: Suite, dataset: str) -> str:
    """What a panel shows: the suite's title, which tells apart suites on one data set, or which of its data sets."""
    title = suite.config.title if len(suite.datasets) == 1 else dataset_title(dataset)
    return title[:1].upper() + title[1:]


Cell = tuple[str, int]
"""Data set and batch size."""


def cells(results: Results) -> list[Cell]:
    """Those of the losses that are compared."""
    return [(dataset, size) for dataset in results.datasets_of("losses") for size in results.sizes(dataset)]


def grid(results: Results, shown: list[Cell], title: str, xlabel: str, ylabel: str) -> tuple[Figure, dict[Cell, Axes]]:
    """A titled figure with a panel for each data set and batch size `shown`; those of a data set follow each other and
    lie in one row, sharing the y axis, and further data sets in the same row while there is room. Where there is one
    data set, the figure's title has the suite's."""
    of_datasets = [list(found) for _, found in groupby(shown, key=itemgetter(0))]
    columns = max(map(len, of_datasets))
    rows = in_rows(of_datasets, columns)
    # Of a column's width, title and legend take more lines.
    width, rest = (style.COLUMN, 1.5) if columns == 1 else (style.PAGE, 0.9)
    height = rest + (1.5 if len(rows) == 1 else 1.6 * len(rows))
    if alone := len(of_datasets) == 1:
        title, height = f"{title}\n{heading(results.suite, shown[0][0])}", height + 0.15
    fig, axes = style.grid(len(rows), columns, (width, height), title)
    found: dict[Cell, Axes] = {}
    firsts: dict[str, Axes] = {}
    for row, line in zip(rows, axes, strict=True):
        for ax in line[len(row) :]:
            ax.set_axis_off()
        for (dataset, size), ax in zip(row, line, strict=False):
            first = firsts.setdefault(dataset, ax)
            if ax is first:
                ax.set_ylabel(ylabel)
            else:
                ax.sharey(first)
                ax.tick_params(which="both", labelleft=False)
            ax.set_title(f"M = {size}" if alone else f"{dataset_title(dataset)}, M = {size}")
            found[dataset, size] = ax
    for column in range(columns):
        lowest = max(k for k, row in enumerate(rows) if len(row) > column)
        axes[lowest, column].set_xlabel(xlabel)
    return fig, found


def number_rows(axes: dict[Cell, Axes]) -> None:
    """Number the y axis at the first panel of each data set in which something is drawn: panels that have not run show
    no numbers."""
    for _, of_dataset in groupby(axes, key=itemgetter(0)):
        if drawn := [axes[cell] for cell in of_dataset if axes[cell].has_data()]:
            drawn[0].tick_params(left=True, labelleft=True)


def in_rows(of_datasets: Iterable[list[Cell]], columns: int) -> list[list[Cell]]:
    """Panels of data sets, in rows of at most `columns`; a data set's are never torn apart."""
    rows: list[list[Cell]] = [[]]
    for panels in of_datasets:
        if len(rows[-1]) + len(panels) > columns:
            rows.append([])
        rows[-1] += panels
    return rows


def loss_handles(results: Results, **changes: Any) -> list[Line2D]:
    """Legend entries of all losses that the suite compares, with `changes` of the line's options."""
    options = {"markersize": 4, "linewidth": 1.2}
    return [
        Line2D([], [], label=results.suite.title(method), **options | look(method, results.suite) | changes)
        for method in results.methods("losses")
    ]


def floor_handle(floor: str, suite: Suite) -> Line2D:
    return Line2D([], [], color=style.GREY, linestyle=FLOOR_LINES[floor], linewidth=1, label=suite.title(floor))
