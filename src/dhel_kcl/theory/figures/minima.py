"""Gap between where descents from random starts end and the closed-form least value, one point a start.

Gaps below 1e-16 are drawn there. The dotted line is the gap up to which a least value counts as reached.
"""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dhel_kcl.presentation import style
from dhel_kcl.theory.titles import TITLES

LEAST, REACHED = 1e-16, 1e-10
MARKERS = ("o", "s", "D", "^")
PANELS = {"simplex": "M ≤ d + 1: simplex", "cross-polytope": "M = 2d: cross-polytope"}


def draw(table: pd.DataFrame) -> Figure:
    fig, axes = style.panels(len(PANELS), height=3.4)
    for ax, (optimum, title) in zip(axes, PANELS.items(), strict=True):
        here = table[table.optimum == optimum]
        shapes = list(here.groupby(["dim", "count"], sort=False))
        for (_, group), marker, shift in zip(shapes, MARKERS, np.linspace(-0.27, 0.27, len(shapes)), strict=False):
            rows = [list(TITLES).index(method) for method in group.method]
            gaps = group.gap.abs().clip(lower=LEAST)
            colours = [style.LOOKS[method][0] for method in group.method]
            ax.scatter(gaps, np.array(rows) + shift, marker=marker, s=11, c=colours, linewidth=0, alpha=0.7)
        ax.axvline(REACHED, color="black", linestyle=":", linewidth=0.8)
        ax.set_xscale("log")
        ax.set_yticks(range(len(TITLES)), TITLES.values())
        ax.set(title=title, xlabel="gap to the least value", xlim=(LEAST / 3, 3))
        handles = [
            Line2D([], [], linestyle="", marker=marker, color=style.GREY, markersize=3.5, label=f"d={d}, M={m}")
            for ((d, m), _), marker in zip(shapes, MARKERS, strict=False)
        ]
        ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(0, -0.17), ncols=2, frameon=False)
    axes[0].invert_yaxis()
    return fig
