"""Test accuracy of the linear probe by batch size, at the setting selected on validation.

Means over seeds, bars of one standard deviation, losses beside each other with their names at the right, in the order
of the largest batch size. Horizontal lines are the floors; one far below or above is named with its value.
"""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dhel_kcl.evidence.figures import panels
from dhel_kcl.evidence.tidy import Results, where
from dhel_kcl.presentation import style
from dhel_kcl.study.suite import FLOORS, Suite

NAME = 0.11
"""Height of a name in inches."""


def draw(results: Results) -> Figure:
    datasets = results.datasets_of("losses")
    columns = min(2, len(datasets))
    rows, height = -(-len(datasets) // columns), 2.6
    width = style.COLUMN if columns == 1 else style.PAGE
    fig, axes = style.grid(rows, columns, (width, 0.4 + rows * height), title(results))
    for ax in axes.flat[len(datasets) :]:
        ax.set_axis_off()
    for ax, dataset in zip(axes.flat, datasets, strict=False):
        draw_dataset(ax, results, dataset, NAME / (0.6 * height))
    for row in axes:
        row[0].set_ylabel("test accuracy (%)")
    return fig


def title(results: Results) -> str:
    """With the length of the trainings, where it is one for all."""
    here = results.selected
    epochs = here[here.method.isin(results.methods("losses"))].epochs.unique()
    length = f" after {epochs[0]:g} epochs" if len(epochs) == 1 else ""
    return f"Test accuracy of a linear probe{length} {panels.over_seeds(results, 'bars')}"


def draw_dataset(ax: Axes, results: Results, dataset: str, name_height: float) -> None:
    """Losses and floors of a data set. name_height: of a name, as a share of the panel's."""
    sizes, methods = results.sizes(dataset), results.methods("losses", dataset)
    here = where(results.selected, dataset=dataset)
    trained = here[here.method.isin(methods)].groupby(["method", "batch_size"]).test_accuracy.agg(["mean", "std"])
    ax.set(xlabel="batch size M", title=panels.heading(results.suite, dataset), xlim=(-0.5, len(sizes) - 0.5))
    ax.set_xticks(range(len(sizes)), [str(size) for size in sizes])
    if trained.empty:
        style.not_run(ax)
        return
    for (method, size), row in trained.fillna(0).iterrows():
        x = sizes.index(size) + style.dodged(methods.index(method), len(methods))
        look = panels.look(method, results.suite)
        ax.errorbar(x, row["mean"], row["std"], **look, linestyle="", markersize=4, elinewidth=1, capsize=1.5)
    floors = here[here.method.isin(FLOORS)].groupby("method").test_accuracy.mean()
    reach = max(2 * (trained["mean"].max() - trained["mean"].min()), 2)
    below, above = floors < trained["mean"].min() - reach, floors > trained["mean"].max() + reach
    far = below | above
    for floor, value in floors[~far].items():
        ax.axhline(value, color=style.GREY, linestyle=panels.FLOOR_LINES[floor], linewidth=1, zorder=-1)
    for boundary in range(1, len(sizes)):
        ax.axvline(boundary - 0.5, color="#DDDDDD", linewidth=0.6, zorder=-2)
    name_far_floors(ax, floors[below], "below", results.suite)
    name_far_floors(ax, floors[above], "above", results.suite)
    last = {method: trained.loc[method, "mean"].iloc[-1] for method in methods if method in trained.index}
    name_levels(ax, last | floors[~far].to_dict(), results.suite, name_height)


def name_levels(ax: Axes, levels: dict[str, float], suite: Suite, name_height: float) -> None:
    """Names of losses and floors right of the panel at their levels, moved where they would hide each other."""
    low, high = ax.get_ylim()
    places = style.apart(list(levels.values()), name_height * (high - low))
    where_x = ("axes fraction", "data")
    for (name, level), place in zip(levels.items(), places, strict=True):
        line: dict[str, Any] = {"arrowstyle": "-", "color": "#AAAAAA", "linewidth": 0.5, "shrinkA": 0, "shrinkB": 0}
        at: dict[str, Any] = {"xycoords": where_x, "textcoords": where_x, "va": "center", "annotation_clip": False}
        ax.annotate("", (1.0, level), (1.06, place), arrowprops=line, **at)
        ax.annotate(suite.title(name), (1.0, level), (1.12, place), fontsize=style.SMALL, **at)
        if name not in FLOORS:
            look = panels.look(name, suite)
            ax.plot(1.085, place, transform=ax.get_yaxis_transform(), clip_on=False, markersize=4, **look)
    ax.set_ylim(low, high)


def name_far_floors(ax: Axes, floors: pd.Series, side: str, suite: Suite) -> None:
    """Words with their values at the panel's bottom ("below") or top ("above"), which grows to have room for them."""
    if floors.empty:
        return
    bottom, top = ax.get_ylim()
    room, is_below = 0.1 * len(floors) * (top - bottom), side == "below"
    ax.set_ylim(bottom - room * is_below, top + room * (not is_below))
    text = "\n".join(f"{side}: {suite.title(name)} {value:.1f} %" for name, value in floors.items())
    at, alignment = (0.03, "bottom") if is_below else (0.97, "top")
    clear = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # of the line between batch sizes
    ax.text(0.02, at, text, va=alignment, transform=ax.transAxes, color=style.GREY, fontsize=style.SMALL, bbox=clear)
