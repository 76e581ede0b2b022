"""Test accuracy at every point of the hyperparameter grid (one seed), the selected point filled.

The selection read validation accuracy only, so the filled point need not be the highest. Bars are means over the grid.
"""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dhel_kcl.evidence.figures import panels
from dhel_kcl.evidence.tidy import Results, where
from dhel_kcl.presentation import style
from dhel_kcl.study.suite import Suite


def draw(results: Results) -> Figure:
    suite, grid = results.suite, where(results.runs, role="grid")
    fig, axes = panels.cells(results, "", "test accuracy (%)")
    for (dataset, size), ax in axes.items():
        methods, here = results.methods("losses", dataset), where(grid, dataset=dataset, batch_size=size)
        if here[here.method.isin(methods)].empty:
            style.not_run(ax)
        for position, method in enumerate(methods):
            points = where(here, method=method)
            if len(points):
                asked = [run.setting.parameters for run in suite.candidates(dataset, method, size)]
                draw_grid(ax, position, points, asked, **panels.look(method, suite))
        ax.set_xticks(range(len(methods)), [varied(suite, dataset, method, size) for method in methods], fontsize=6)
        ax.set_xlim(-0.6, len(methods) - 0.4)
    selected = Line2D([], [], marker="o", linestyle="", color="#777777", markersize=4, label="selected (filled)")
    style.legend(fig, [*panels.loss_handles(results, linestyle=""), selected], columns=6)
    return fig


def draw_grid(ax: Axes, position: int, points: pd.DataFrame, asked: list[str], color: str, marker: str) -> None:
    """The points of a loss around `position`, in the order in which the suite asks for their settings; their mean and
    range."""
    mean, low, high = points.test_accuracy.mean(), points.test_accuracy.min(), points.test_accuracy.max()
    ax.hlines(mean, position - 0.35, position + 0.35, color=color, linewidth=1.6)
    ax.vlines(position, low, high, color=color, linewidth=0.8)
    for point in points.fillna({"parameters": ""}).itertuples():
        x = position + 0.5 * ((asked.index(point.parameters) + 0.5) / len(asked) - 0.5)
        face = color if point.selected else "white"
        ax.plot(x, point.test_accuracy, marker=marker, markersize=4.5, color=color, markerfacecolor=face)


def varied(suite: Suite, dataset: str, method: str, size: int) -> str:
    """What the points differ in, from left to right: "τ", and the values in a column."""
    settings = [run.setting.values for run in suite.candidates(dataset, method, size)]
    keys = [key for key in settings[0] if len({values[key] for values in settings}) > 1]
    names = {"temperature": "τ", "energy_weight": "w", "learning_rate": "rate"}
    values = ["/".join(v[k] if isinstance(v[k], str) else f"{v[k]:g}" for k in keys) for v in settings]
    return "\n".join([", ".join(names.get(key, key) for key in keys), *values])
