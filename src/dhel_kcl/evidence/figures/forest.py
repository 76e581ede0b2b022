"""Forest plots: effects with intervals in rows with words, data sets side by side, effects of one unit on one axis."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from dhel_kcl.evidence.ledger import UNITS, Statement
from dhel_kcl.evidence.wording import with_interval
from dhel_kcl.presentation import style
from dhel_kcl.presentation.verdict_words import (
    CONTRADICTED,
    MIXED,
    NO_VERDICT,
    NOT_DISTINGUISHABLE,
    NOT_RUN,
    SUPPORTED,
)

# By the filling, since colours stand for losses.
FILLINGS: dict[str, dict[str, Any]] = {
    SUPPORTED: {"fillstyle": "full"},
    CONTRADICTED: {"fillstyle": "left", "markerfacecoloralt": "white"},
    MIXED: {"fillstyle": "full", "markerfacecolor": "#CCCCCC"},
    NOT_DISTINGUISHABLE: {"fillstyle": "none"},
    NO_VERDICT: {"fillstyle": "none", "alpha": 0.4},
}
IN_WORDS = {
    SUPPORTED: "filled",
    CONTRADICTED: "half filled",
    MIXED: "pale, at each M or setting",
    NOT_DISTINGUISHABLE: "open",
    NO_VERDICT: "open, faint",
}
"""The fillings."""
BAND = "#E8E8E8"
"""Of the margin within which differences count as none."""
EQUAL_RATES: dict[str, Any] = {"color": "black", "marker": "o"}
RETUNED: dict[str, Any] = {"color": "#777777", "marker": "s"}
"""Of effects at the same learning rates, and with each side at its own best one."""
LINE = 0.135
"""Height in inches."""


@dataclass(frozen=True)
class Effect:
    """A difference with its interval; NaN where it is not known."""

    value: float
    low: float
    high: float
    look: dict[str, Any]

    def draw(self, ax: Axes, line: float) -> None:
        if not pd.isna(self.low):
            ax.hlines(line, self.low, self.high, color=self.look["color"], alpha=self.look.get("alpha"), linewidth=1)
        ax.plot(self.value, line, markersize=4, **self.look)

    @property
    def words(self) -> str:
        """ "+1.2 (+0.4 to +2.0)"."""
        return with_interval(self.value, self.low, self.high, 1).replace("-", "−")


def draw_parts(ax: Axes, line: float, parts: Sequence[float], look: dict[str, Any]) -> None:
    """Effects that a mean would hide, at batch sizes or settings, without intervals."""
    ax.hlines(line, min(parts), max(parts), color=look["color"], linestyle=":", linewidth=1)
    ax.plot(parts, [line] * len(parts), linestyle="", markersize=4, **look)


def margins(ax: Axes, blocks: Sequence[tuple[Statement, int]]) -> None:
    """Threshold and margin of statements, each across its lines, of which it has so many; the first line is at 0."""
    first = 0
    for statement, lines in blocks:
        ends, level, margin = (first - 0.5, first + lines - 0.5), statement.threshold, statement.margin
        ax.fill_betweenx(ends, level - margin, level + margin, color=BAND, linewidth=0, zorder=-2)
        ax.vlines(level, *ends, color="black", linewidth=0.6, zorder=-1)
        first += lines
    ax.set_ylim(first - 0.5, -0.5)
    ax.margins(x=0.08)
    ax.locator_params(axis="x", nbins=5)
    ax.tick_params(axis="y", length=0)


def name_lines(ax: Axes, labels: Sequence[str], headings: Collection[int]) -> None:
    """Words before each line, those of `headings` in bold."""
    ax.set_yticks(range(len(labels)), [label.replace(" - ", " − ") for label in labels])
    for line in headings:
        ax.get_yticklabels()[line].set_fontweight("bold")


def unit(statements: Sequence[Statement]) -> str:
    """Of the axis, and which side of the threshold supports the statements, if it is one side."""
    said = f"difference in {UNITS[statements[0].unit]} ({statements[0].unit})"
    sides = {(statement.direction, statement.threshold) for statement in statements}
    if len(sides) > 1:
        return said
    ((direction, threshold),) = sides
    return said + (
        f", right of {threshold:g} supports →" if direction == "greater" else f", ← left of {threshold:g} supports"
    )


def beside(ax: Axes, line: float, text: str) -> None:
    """Words behind a line, right of the panel."""
    where = ("axes fraction", "data")
    ax.annotate(text, (1.03, line), xycoords=where, va="center", fontsize=style.SMALL, annotation_clip=False)


def say_why_empty(ax: Axes, line: float, verdict: str) -> None:
    """In the place of an effect."""
    text = NOT_RUN if verdict == NOT_RUN else NO_VERDICT
    where: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "ha": "right", "va": "center"}
    ax.annotate(text, (0.98, line), **where, fontsize=style.SMALL, color=style.GREY)


def handles(verdicts: Collection[str]) -> list[Artist]:
    """Legend entries of the verdicts that occur, and of the margin."""
    look: dict[str, Any] = {"marker": "o", "linestyle": "", "markersize": 4, "color": style.GREY}
    shown = [name for name in FILLINGS if name in verdicts]
    found = [Line2D([], [], label=f"{IN_WORDS[name]}: {name}", **look | FILLINGS[name]) for name in shown]
    return [*found, margin()]


def margin() -> Patch:
    """Its legend entry, made anew for each figure, since it looks as the theme says when it is made."""
    return Patch(color=BAND, label="margin")


def handle(look: dict[str, Any], label: str) -> Line2D:
    return Line2D([], [], linestyle="", markersize=4, label=label, **look)
