"""Share of random starts from which descent reaches the least value, by temperature and weight, or by γ and scale.

Bars are exact 95 % intervals. InfoNCE and other kernels, which nearly always arrive, are in the table `local_minima`.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dhel_kcl.presentation import style
from dhel_kcl.presentation.titles import TITLES
from dhel_kcl.theory.figures import shares

TEMPERED, KERNEL = ("temperature", "weight", "temperature τ"), ("gamma", "t", "γ")
"""Columns of the x-axis and of the lines, and the label of the former."""
MARKERS = {"weight": ("o", "s", "D", "^"), "t": ("v", "P", "X")}
"""Of the lines, ascending; of losses they say nothing here."""
PANELS = {"simclr": TEMPERED, "dcl": TEMPERED, "dhel-mean": TEMPERED, "kcl-gaussian": KERNEL}


def draw(table: pd.DataFrame) -> Figure:
    table = table[table.begun == "random"]
    starts = table.groupby(["method", "temperature", "weight", "t", "gamma"], dropna=False).size().max()
    title = (
        "How often descent from a random start reaches the least value: 8 pairs in 4 dimensions, "
        f"{starts} starts a setting (bars: 95 % intervals)"
    )
    fig, axes = style.grid(2, 2, (style.PAGE, 3.8), title, sharey=True)
    for ax, (method, (along, by, label)) in zip(axes.flat, PANELS.items(), strict=True):
        here = table[table.method == method]
        draw_settings(ax, here.pivot_table("reached", by, along, aggfunc=list), style.LOOKS[method][0], MARKERS[by])
        ax.set(title=TITLES[method], xlabel=label, ylim=(-0.03, 1.06))
    for row in axes:
        row[0].set_ylabel("share of starts\nthat arrive")
    weights, scales = (sorted(table[by].dropna().unique()) for by in MARKERS)
    named = {
        "weight": [f"w = {w:g}" + (" (of DHEL mean: DHEL sum)" if w == 2 else "") for w in weights],
        "t": [f"KCL: t = {t:g}" for t in scales],
    }
    lines = [
        Line2D([], [], color=style.GREY, marker=marker, markersize=3.5, linestyle="", label=label)
        for by, labels in named.items()
        for marker, label in zip(MARKERS[by], labels, strict=True)
    ]
    style.legend(fig, lines, columns=4)
    return fig


def draw_settings(ax: Axes, reached: pd.DataFrame, colour: str, markers: Sequence[str]) -> None:
    """Of lists of truth values, one mark a row over the columns, side by side."""
    for line, (_, starts) in enumerate(reached.iterrows()):
        places = np.arange(len(starts)) + style.dodged(line, len(reached), 0.8)
        shares.draw(ax, places, list(starts), color=colour, marker=markers[line], markersize=2.8)
    ax.set_xticks(range(reached.shape[1]), [f"{value:g}" for value in reached.columns])
