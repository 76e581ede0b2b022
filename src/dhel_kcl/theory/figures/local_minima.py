"""Share of random starts from which descent reaches the least value, by temperature and weight, or by γ and scale.

Bars are exact 95 % intervals. KCL's other kernels, InfoNCE and what else always arrives is in the table `local_minima`.
"""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import binomtest

from dhel_kcl.presentation import style
from dhel_kcl.theory.titles import TITLES

LINES = ("o", "s", "D", "^")
"""Marker of each weight or scale, ascending."""
PANELS = {
    "simclr": ("temperature", "weight", "τ", "w"),
    "dcl": ("temperature", "weight", "τ", "w"),
    "dhel-mean": ("temperature", "weight", "τ", "w"),
    "kcl-gaussian": ("gamma", "t", "γ", "t"),
}
"""Of each loss: columns of the x-axis and of the lines, and their signs."""


def draw(table: pd.DataFrame) -> Figure:
    fig, axes = style.panels(len(PANELS), height=2.5)
    for ax, (method, (along, by, sign, name)) in zip(axes, PANELS.items(), strict=True):
        here = table[table.method == method]
        for line, (value, ends) in enumerate(here.groupby(by)):
            draw_line(ax, ends.groupby(along).reached, style.LOOKS[method][0], line, f"{name} = {value:g}")
        ax.set_xscale("log")
        ticks = sorted(here[along].unique())
        ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        ax.minorticks_off()
        ax.set(title=TITLES[method], xlabel=sign, ylim=(-0.03, 1.06))
        ax.legend(loc="upper left", bbox_to_anchor=(0, -0.22), ncols=2, frameon=False)
    axes[0].set_ylabel("share of starts that arrive")
    return fig


def draw_line(ax: Axes, reached: "pd.api.typing.SeriesGroupBy", colour: str, line: int, label: str) -> None:
    """One weight or scale; later lines are fainter and set off to the right, where they would hide one another."""
    share, counts = reached.mean(), reached.agg(["sum", "size"])
    intervals = [binomtest(int(k), int(n)).proportion_ci(0.95) for k, n in counts.itertuples(index=False)]
    bars = np.array([[s - each.low, each.high - s] for s, each in zip(share, intervals, strict=True)]).clip(0).T
    look: dict[str, Any] = {
        "color": colour,
        "marker": LINES[line],
        "markersize": 3.5,
        "linewidth": 0.9,
        "elinewidth": 0.6,
    }
    ax.errorbar(share.index * 1.06**line, share, bars, alpha=1 - 0.2 * line, label=label, **look)
