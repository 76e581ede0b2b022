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
from dhel_kcl.presentation.verdict_words import NOT_RUN
from dhel_kcl.study.suite import Suite, dataset_title

SYMBOLS = {"temperature": "τ", "energy_weight": "w", "gamma": "γ"}


def draw(results: Results) -> Figure:
    """A row a data set and batch size, a column a loss."""
    rows = panels.cells(results)
    columns = results.methods("losses")
    rates = any(has_rates(results, dataset) for dataset, _ in rows)
    lengths = where(results.runs, role="grid").epochs.unique()
    length = f", {lengths[0]:g} epochs" if len(lengths) == 1 else ""
    title = f"Test accuracy at every setting of a loss (1 seed each{length})"
    title += ", at its best learning rate on validation" * rates
    size = (style.PAGE, 1.1 + len(rows) * min(1.3, 7.5 / len(rows)))
    fig, axes = style.grid(len(rows), len(columns), size, title, sharey="row")
    for line, (dataset, batch_size) in zip(axes, rows, strict=True):
        draw_row(dict(zip(columns, line, strict=True)), results, dataset, batch_size)
    for column, method in zip(axes.T, columns, strict=True):
        next(ax for ax in column if ax.axison).set_title(results.suite.title(method))
    look: dict[str, Any] = {"linestyle": "", "marker": "o", "color": style.GREY, "markersize": 4}
    open_one = Line2D([], [], markerfacecolor="white", label="another setting", **look)
    style.legend(fig, [Line2D([], [], label="selected on validation", **look), open_one])
    return fig


def draw_row(axes: dict[str, Axes], results: Results, dataset: str, batch_size: int) -> None:
    """A data set at a batch size, from the panel of each loss; values are named at the largest batch size."""
    grid, methods = where(results.runs, role="grid", dataset=dataset), results.methods("losses", dataset)
    last = batch_size == results.sizes(dataset)[-1]
    for method, ax in axes.items():
        if method not in methods:
            ax.set_axis_off()
            continue
        settings = settings_of(results.suite, dataset, method)
        points = where(grid, method=method, batch_size=batch_size)
        draw_points(ax, points, settings, **panels.look(method, results.suite))
        ax.set_xticks(range(len(settings)), [values(setting, settings) if last else "" for setting in settings])
        ax.set_xlim(-0.5, len(settings) - 0.5)
        if last:
            ax.set_xlabel(names(settings), fontsize=style.SMALL)
    first = axes[methods[0]]
    first.set_ylabel(f"{dataset_title(dataset)}\nM = {batch_size}\naccuracy (%)", fontsize=style.SMALL)
    first.tick_params(labelleft=not where(grid, batch_size=batch_size).empty)


def has_rates(results: Results, dataset: str) -> bool:
    """Whether a learning rate is tuned within the settings of a loss."""
    asked = [grids.asked(results.suite, dataset, method) for method in results.methods("losses", dataset)]
    return any(points > settings for settings, points in map(grids.size, asked))


def settings_of(suite: Suite, dataset: str, method: str) -> list[str]:
    """Hyperparameters but for the learning rate, in the order in which the suite asks for them."""
    return list(dict.fromkeys(map(grids.setting, grids.asked(suite, dataset, method))))


def draw_points(ax: Axes, points: pd.DataFrame, settings: list[str], color: str, marker: str) -> None:
    """A point a setting, at its best rate."""
    if points.empty:
        style.words(ax, NOT_RUN, style.GREY)
        return
    best = best_rates(points)
    for setting, point in zip(grids.parameters(best).map(grids.setting), best.itertuples(), strict=True):
        face = color if point.selected else "white"
        x = settings.index(setting)
        ax.plot(x, point.test_accuracy, marker=marker, markersize=4.5, color=color, markerfacecolor=face)
    ax.margins(y=0.15)


def values(setting: str, settings: list[str]) -> str:
    """Of what varies, above each other."""
    named = grids.hyperparameters(setting)
    return "\n".join(named[key].removesuffix(".0") for key in grids.varied(settings))


def names(settings: list[str]) -> str:
    """What the values below the points are: "τ"; "t (above), γ (below)"; "form, w, τ (from above)"."""
    found = [SYMBOLS.get(key, key) for key in grids.varied(settings)]
    if len(found) == 2:
        return "{} (above), {} (below)".format(*found)
    return ", ".join(found) + " (from above)" * (len(found) > 2)
