"""What each term of a loss asks for, on the circle with two pairs.

Rows are losses, columns objectives. Anchors u are filled, positives v open, the pairs have one marker each; u_1 is at
the top. All starts that reached the least value found are drawn over each other: a point smeared over the circle is one
that the objective leaves free, a point at a few places has several minimisers.
"""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle

from dhel_kcl.presentation import style
from dhel_kcl.theory.titles import TITLES

PAIRS = {"1": ("#000000", "o"), "2": ("#7A7A7A", "s")}
# Positives outside the circle, each pair at its own radius, so that no point hides another.
RADII = {"u1": 1.0, "u2": 1.0, "v1": 1.15, "v2": 1.3}


def draw(table: pd.DataFrame) -> Figure:
    table = table[table.reached]
    methods, objectives = table.method.unique(), table.objective.unique()
    size = style.PAGE / len(objectives)
    fig, axes = style.grid(len(methods), len(objectives), (size * len(objectives), size * len(methods)))
    for row, method in zip(axes, methods, strict=True):
        for ax, objective in zip(row, objectives, strict=True):
            draw_ends(ax, table[(table.method == method) & (table.objective == objective)])
        row[0].set_ylabel(TITLES[method])
    for ax, objective in zip(axes[0], objectives, strict=True):
        ax.set_title(objective)
    style.legend(fig, [handle(view, pair) for pair in PAIRS for view in "uv"])
    return fig


def draw_ends(ax: Axes, ends: pd.DataFrame) -> None:
    """Where the four points end, one mark a start."""
    ax.add_patch(Circle((0, 0), 1, fill=False, color="#BBBBBB", linewidth=0.8))
    for point, radius in RADII.items():
        angle, (colour, marker) = ends[point] + np.pi / 2, PAIRS[point[1]]
        face = colour if point[0] == "u" else "none"
        x, y = radius * np.cos(angle), radius * np.sin(angle)
        ax.scatter(x, y, s=16, marker=marker, facecolor=face, edgecolor=colour, linewidth=0.7)
    ax.set(xlim=(-1.45, 1.45), ylim=(-1.45, 1.45), aspect="equal", xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set_linewidth(0)


def handle(view: str, pair: str) -> Line2D:
    colour, marker = PAIRS[pair]
    look: dict[str, Any] = {"color": colour, "markerfacecolor": colour if view == "u" else "none", "markersize": 4.5}
    return Line2D([], [], linestyle="", marker=marker, label=f"${view}_{pair}$", **look)
