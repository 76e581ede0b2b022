"""What each term of a loss asks for, on the circle with two pairs.

Rows are losses, columns objectives. Anchors are filled, positives open, the pairs have one marker each; the first
anchor is at the top. All starts that reached the least value found are drawn over each other: a point smeared over the
circle is one that the objective leaves free, a point at a few places has several minimisers. Words in the circles are
counted from them.
"""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle

from dhel_kcl.presentation import style
from dhel_kcl.presentation.titles import TITLES

PAIRS = {"1": ("#000000", "o"), "2": ("#7A7A7A", "s")}
# Positives outside the circle, each pair at its own radius, so that no point hides another.
RADII = {"u1": 1.0, "v1": 1.15, "u2": 1.0, "v2": 1.3}
NAMES = {"u1": "anchor 1", "v1": "its positive", "u2": "anchor 2", "v2": "positive of 2"}
ROWS = ("simclr", "dhel-mean")
COLUMNS = {"energy": "the log-denominator alone", "whole loss": "the whole loss"}
FEW = 4
"""More places than these count as anywhere."""


def draw(table: pd.DataFrame) -> Figure:
    table = table[table.reached]
    title = "What the log-denominator alone ties together and what it leaves free, on the circle"
    fig, axes = style.grid(len(ROWS), len(COLUMNS), (style.PAGE, 6.0), title)
    for row, method in zip(axes, ROWS, strict=True):
        for ax, objective in zip(row, COLUMNS, strict=True):
            ends = table[(table.method == method) & (table.objective == objective)]
            draw_ends(ax, ends)
            ax.text(0, 0, spoken(ends), ha="center", va="center", fontsize=style.SMALL)
        row[0].set_ylabel(TITLES[method])
    for ax, name in zip(axes[0], COLUMNS.values(), strict=True):
        ax.set_title(name)
    style.legend(fig, [handle(point) for point in RADII])
    return fig


def spoken(ends: pd.DataFrame) -> str:
    """In words, where the other points end if the first anchor is at the top."""
    return "\n".join(f"{NAMES[point]}: {places(ends[point])}" for point in ("v1", "u2", "v2"))


def places(angles: pd.Series) -> str:
    """ "opposite"; "2 places" where there are few, "anywhere" where they smear over the circle."""
    found = len(set(zip(np.cos(angles).round(1) + 0.0, np.sin(angles).round(1) + 0.0, strict=True)))
    if found == 1:
        return "at the top" if np.cos(angles.iloc[0]) > 0 else "opposite"
    return f"{found} places" if found <= FEW else "anywhere"


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


def handle(point: str) -> Line2D:
    colour, marker = PAIRS[point[1]]
    look: dict[str, Any] = {
        "color": colour,
        "markerfacecolor": colour if point[0] == "u" else "none",
        "markersize": 4.5,
    }
    return Line2D([], [], linestyle="", marker=marker, label=NAMES[point], **look)
