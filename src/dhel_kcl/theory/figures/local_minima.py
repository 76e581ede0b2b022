"""Share of random starts from which descent reaches the least value, by temperature and weight, or by γ and scale.

Bars are exact 95 % intervals. InfoNCE and KCL's other kernels, from which all arrived, are in the table `local_minima`.
"""

import itertools

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.stats import binomtest

from dhel_kcl.presentation import style
from dhel_kcl.theory.titles import TITLES

MARKERS = ("o", "s", "D", "^")
"""Of the weights or scales, ascending."""
TEMPERED, KERNEL = ("temperature", "weight", "temperature τ"), ("gamma", "t", "γ")
"""Columns of the x-axis and of the lines, and the label of the former."""
PANELS = {"simclr": TEMPERED, "dcl": TEMPERED, "dhel-mean": TEMPERED, "kcl-gaussian": KERNEL}


def draw(table: pd.DataFrame) -> Figure:
    fig, axes = style.panels(len(PANELS), height=2.3)
    for ax, (method, (along, by, label)) in zip(axes, PANELS.items(), strict=True):
        here = table[table.method == method]
        draw_shares(ax, here.pivot_table("reached", by, along, aggfunc=list), style.LOOKS[method][0])
        ax.set(title=TITLES[method], xlabel=label, ylim=(-0.03, 1.06))
    axes[0].set_ylabel("share of starts that arrive")
    weights, scales = (sorted(table[by].dropna().unique()) for by in ("weight", "t"))
    named = [[f"w = {w:g}" for w in weights], [f"t = {t:g}" for t in scales]]
    labels = [", ".join(filter(None, names)) for names in itertools.zip_longest(*named)]
    lines = [
        Line2D([], [], color=style.GREY, marker=marker, markersize=3.5, linewidth=0.9, label=label)
        for marker, label in zip(MARKERS, labels, strict=False)
    ]
    style.legend(fig, lines)
    return fig


def draw_shares(ax: Axes, reached: pd.DataFrame, colour: str) -> None:
    """Of lists of truth values, one line a row over the columns, side by side where they would hide one another."""
    columns = np.arange(reached.shape[1])
    for line, (_, starts) in enumerate(reached.iterrows()):
        shares = np.array([np.mean(each) for each in starts])
        intervals = [binomtest(sum(each), len(each)).proportion_ci(0.95) for each in starts]
        ends = np.array([(each.low, each.high) for each in intervals]).T
        bars = np.abs(ends - shares)
        x = columns + 0.15 * (line - (len(reached) - 1) / 2)
        ax.errorbar(x, shares, bars, color=colour, marker=MARKERS[line], markersize=3, linewidth=0.8, elinewidth=0.5)
    ax.set_xticks(columns, [f"{value:g}" for value in reached.columns])
