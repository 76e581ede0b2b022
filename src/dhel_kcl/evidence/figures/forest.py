"""Forest plots: estimates with intervals against a threshold and its margin, marked by verdict."""

from collections.abc import Collection
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from dhel_kcl.evidence.ledger import Statement
from dhel_kcl.presentation.verdict_words import (
    CONTRADICTED,
    MIXED,
    NO_VERDICT,
    NOT_DISTINGUISHABLE,
    NOT_RUN,
    SUPPORTED,
)

# Filled, half filled and open, faint without a verdict; no colour, since colours stand for losses.
LOOKS: dict[str, Any] = {
    SUPPORTED: {"color": "black", "fillstyle": "full"},
    CONTRADICTED: {"color": "black", "fillstyle": "bottom", "markerfacecoloralt": "white"},
    MIXED: {"color": "black", "fillstyle": "left", "markerfacecoloralt": "white"},
    NOT_DISTINGUISHABLE: {"color": "#777777", "fillstyle": "none"},
    NO_VERDICT: {"color": "#BBBBBB", "fillstyle": "none"},
}
MARKERS = "osD^vPX"
"""Of the data sets, in the suite's order."""
RETUNED = 0.2
"""Below an estimate at equal learning rates lies that with each side at its own best one."""


def forest(ax: Axes, rows: list[pd.DataFrame], datasets: list[str]) -> None:
    """Estimates and intervals, one line a row from the top; data sets side by side within a row."""
    for position, row in enumerate(rows):
        if row.estimate.isna().all():
            say_why_empty(ax, position, row)
            continue
        if len(datasets) > 1 and position:
            ax.axhline(position - 0.5, color="#DDDDDD", linewidth=0.5, zorder=-3)
        for entry in row.dropna(subset="estimate").itertuples():
            index = datasets.index(entry.dataset)
            y = position + 0.7 * ((index + 0.5) / len(datasets) - 0.5)
            look = LOOKS[entry.verdict]
            if not pd.isna(entry.low):
                ax.hlines(y, entry.low, entry.high, color=look["color"], linewidth=1)
            ax.plot(entry.estimate, y, marker=MARKERS[index % len(MARKERS)], markersize=3.5, **look)
            if not pd.isna(entry.retuned_estimate):
                ax.hlines(y + RETUNED, entry.retuned_low, entry.retuned_high, color=look["color"], linewidth=0.6)
                ax.plot(entry.retuned_estimate, y + RETUNED, marker="|", markersize=5, color=look["color"])


def say_why_empty(ax: Axes, position: int, row: pd.DataFrame) -> None:
    text = NOT_RUN if (row.verdict == NOT_RUN).all() else NO_VERDICT
    where: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "ha": "center", "va": "center"}
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    ax.annotate(text, (0.5, position), **where, fontsize=6, bbox=box)


def frame(ax: Axes, statement: Statement, support: bool = True) -> None:
    """Threshold, margin, unit, and which side supports the claim."""
    ax.axvspan(
        statement.threshold - statement.margin,
        statement.threshold + statement.margin,
        color="#E8E8E8",
        zorder=-2,
        linewidth=0,
    )
    ax.axvline(statement.threshold, color="black", linewidth=0.6, zorder=-1)
    ax.set_ylim(len(ax.get_yticks()) - 0.4, -0.6)
    side = "   supports →" if statement.direction == "greater" else "   ← supports"
    ax.set_xlabel(statement.unit + side * support, fontsize="small")


def verdict_handles(verdicts: Collection[str]) -> list[Line2D]:
    """Legend entries of the verdicts that occur."""
    return [
        Line2D([], [], marker="o", linestyle="", markersize=4, label=verdict, **look)
        for verdict, look in LOOKS.items()
        if verdict in verdicts
    ]
