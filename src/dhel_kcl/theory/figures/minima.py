"""Share of descents from random starts that reach the closed-form least value, by loss and shape, one seed a start.

Bars are exact 95 % intervals; a shape of a single start has a wide one.
"""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dhel_kcl.presentation import style
from dhel_kcl.presentation.titles import TITLES
from dhel_kcl.theory.figures import shares

MARKERS = ("o", "s", "D", "^")
PANELS = {"simplex": "simplex, M ≤ d + 1", "cross-polytope": "cross-polytope, M = 2d"}


def draw(table: pd.DataFrame) -> Figure:
    title = "How often descent from a random start reaches the least value, by loss and shape (bars: 95 % intervals)"
    fig, axes = style.panels(len(PANELS), 4.6, title)
    for ax, (optimum, panel) in zip(axes, PANELS.items(), strict=True):
        draw_shapes(ax, table[table.optimum == optimum])
        ax.set(title=panel, xlabel="share of starts that arrive", xlim=(-0.03, 1.03))
    axes[0].set_yticks(range(len(TITLES)), TITLES.values())
    axes[0].set_ylim(len(TITLES) - 0.5, -0.5)
    return fig


def draw_shapes(ax: Axes, table: pd.DataFrame) -> None:
    """A line a loss, its shapes above each other."""
    shapes = list(table.groupby(["dim", "count"], sort=False))
    for position, ((_, ends), marker) in enumerate(zip(shapes, MARKERS, strict=False)):
        for line, method in enumerate(TITLES):
            arrived = ends[ends.method == method].reached
            if len(arrived):
                place = line + style.dodged(position, len(shapes))
                look = {"color": style.LOOKS[method][0], "marker": marker}
                shares.draw(ax, [place], [arrived.tolist()], along="y", **look)
    for line in range(1, len(TITLES)):
        ax.axhline(line - 0.5, color="#DDDDDD", linewidth=0.5, zorder=-1)
    grey: dict[str, Any] = {"linestyle": "", "color": style.GREY, "markersize": 3.5}
    handles = [
        Line2D(
            [], [], marker=marker, label=f"d = {dim}, M = {count} (n = {len(ends) // ends.method.nunique()})", **grey
        )
        for ((dim, count), ends), marker in zip(shapes, MARKERS, strict=False)
    ]
    ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(0, -0.12), frameon=False)
