"""Variance of the negative similarities that training in fixed disjoint batches leaves, against its bounds.

Band: the range that is possible when every batch is optimal, its ends attained by batches in orthogonal subspaces
and by coinciding batches (crosses). Points: mean of descents from random starts, bars from the least to the largest.
"""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dhel_kcl.presentation import style
from dhel_kcl.presentation.titles import TITLES


def draw(table: pd.DataFrame) -> Figure:
    starts = table.groupby(["method", "batch_size"]).size().max()
    title = f"What variance of similarities training in fixed batches leaves (mean and range of {starts} starts)"
    fig, (ax,) = style.panels(1, 3.0, title)
    bounds = table.groupby("batch_size")[["lower_bound", "upper_bound"]].first()
    ax.fill_between(bounds.index, bounds.lower_bound, bounds.upper_bound, color="#DDDDDD", linewidth=0)
    made = table[table.method.isin(["orthogonal", "coinciding"])]
    ax.plot(made.batch_size, made.variance, "x", color="black", markersize=4, markeredgewidth=0.9)
    methods = [method for method in table.method.unique() if method in TITLES]
    for position, method in enumerate(methods):
        colour, marker = style.LOOKS[method]
        here = table[table.method == method]
        ends = here.groupby("batch_size").variance.agg(["mean", "min", "max"])
        x = ends.index + 0.22 * (position - (len(methods) - 1) / 2)
        reach = [ends["mean"] - ends["min"], ends["max"] - ends["mean"]]
        ax.errorbar(x, ends["mean"], reach, linestyle="", color=colour, marker=marker, markersize=3, elinewidth=1)
    ax.set_xticks(bounds.index)
    ax.set(xlabel=f"batch size M (of {table.batch_size.max()} points)", ylabel="variance of uᵢ · uⱼ")
    handles = [Line2D([], [], linestyle="", marker="x", color="black", markersize=4, label="bounds attained")]
    for method in methods:
        colour, marker = style.LOOKS[method]
        handles.append(Line2D([], [], linestyle="", color=colour, marker=marker, markersize=3.5, label=TITLES[method]))
    style.legend(fig, handles, columns=3)
    return fig
