"""Test accuracy at every setting of the hyperparameter grid (one seed), at its best learning rate on validation.

The selected setting is filled; the selection read validation accuracy only, so that it need not be the highest.
"""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dhel_kcl.evidence import grids
from dhel_kcl.evidence.figures import panels
from dhel_kcl.evidence.statistics import best_rates
from dhel_kcl.evidence.tidy import Results, where
from dhel_kcl.presentation import style
from dhel_kcl.study.suite import Suite, dataset_title

SYMBOLS = {"temperature": "τ", "energy_weight": "w", "gamma": "γ"}


def draw(results: Results) -> Figure:
    """A row a data set and batch size, a column a loss."""
    suite, grid = results.suite, where(results.runs, role="grid")
    rows = [(dataset, size) for dataset in results.datasets for size in results.sizes(dataset)]
    columns = results.methods("losses")
    height = min(1.3, 7.5 / len(rows))
    size = (style.PAGE, 1.1 + height * len(rows))
    tuned = (
        ", at its best learning rate on validation"
        if any(has_rates(results, dataset) for dataset in results.datasets)
        else ""
    )
    title = f"Test accuracy at every setting of a loss (1 seed each){tuned}"
    fig, axes = style.grid(len(rows), len(columns), size, title, sharey="row", sharex="col")
    for line, (dataset, batch_size) in zip(axes, rows, strict=True):
        for ax, method in zip(line, columns, strict=True):
            if method not in results.methods("losses", dataset):
                ax.set_axis_off()
                continue
            points = where(grid, dataset=dataset, method=method, batch_size=batch_size)
            draw_points(ax, points, settings_of(suite, dataset, method), **panels.look(method, suite))
        line[0].set_ylabel(f"{dataset_title(dataset)}\nM = {batch_size}\naccuracy (%)", fontsize=style.SMALL)
    for ax, method in zip(axes[0], columns, strict=True):
        ax.set_title(suite.title(method))
    for ax, method in zip(axes[-1], columns, strict=True):
        ax.set_xlabel(name_of_axis(suite, method), fontsize=style.SMALL)
    look: dict[str, Any] = {"linestyle": "", "marker": "o", "color": style.GREY, "markersize": 4}
    open_one = Line2D([], [], markerfacecolor="white", label="another setting", **look)
    style.legend(fig, [Line2D([], [], label="selected on validation", **look), open_one])
    return fig


def has_rates(results: Results, dataset: str) -> bool:
    """Whether a learning rate is tuned within the settings of a loss."""
    asked = [grids.asked(results.suite, dataset, method) for method in results.methods("losses", dataset)]
    return any(points > settings for settings, points in map(grids.size, asked))


def settings_of(suite: Suite, dataset: str, method: str) -> list[str]:
    """Hyperparameters but for the learning rate, in the order in which the suite asks for them."""
    return list(dict.fromkeys(map(grids.setting, grids.asked(suite, dataset, method))))


def draw_points(ax: Axes, points: pd.DataFrame, settings: list[str], color: str, marker: str) -> None:
    """A point a setting, at its best rate, and the values of what varies below it."""
    if points.empty:
        style.not_run(ax)
        return
    for point in best_rates(points).fillna({"parameters": ""}).itertuples():
        face = color if point.selected else "white"
        x = settings.index(grids.setting(point.parameters))
        ax.plot(x, point.test_accuracy, marker=marker, markersize=4.5, color=color, markerfacecolor=face)
    ax.set_xticks(range(len(settings)), ["\n".join(values(setting, settings)) for setting in settings])
    ax.set_xlim(-0.5, len(settings) - 0.5)
    ax.margins(y=0.15)


def varied(settings: list[str]) -> list[str]:
    """Hyperparameters that settings differ in."""
    named = [grids.hyperparameters(setting) for setting in settings]
    return [key for key in named[0] if len({each[key] for each in named}) > 1]


def values(setting: str, settings: list[str]) -> list[str]:
    named = grids.hyperparameters(setting)
    return [named[key].removesuffix(".0") for key in varied(settings)]


def name_of_axis(suite: Suite, method: str) -> str:
    """What the values below the points are: "τ", or "from above: t, γ"."""
    dataset = next(name for name in suite.datasets if method in suite.methods_of(name))
    names = [SYMBOLS.get(key, key) for key in varied(settings_of(suite, dataset, method))]
    return f"from above: {', '.join(names)}" if len(names) > 1 else "".join(names)
