"""Expected loss against batch size.

The InfoNCE family's growth with log(M - 1) is subtracted everywhere. Left: exact mean over all sub-batches of a fixed
set of pairs, less that of the whole set. Middle and right: mean over batches of aligned positives with uniform anchors
on S^127 (points, bars of two standard errors), less the limit M -> inf; lines are the expansion for large M (zero for
KCL).
"""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dhel_kcl.presentation import style
from dhel_kcl.theory.titles import TITLES


def draw(table: pd.DataFrame) -> Figure:
    fig, axes = style.panels(3, 2.6, "How the expected loss depends on the batch size", sharey=False)
    exact, sampled = table[table.sampling == "sub-batches"], table[table.sampling == "uniform"]
    for method in TITLES:
        colour, marker = style.LOOKS[method]
        line = exact[exact.method == method].set_index("batch_size")["mean"]
        axes[0].plot(line - line.iloc[-1], color=colour, marker=marker, markersize=3, linewidth=1)
        here = sampled[sampled.method == method]
        ax = axes[2] if method.startswith("kcl") else axes[1]
        bars = {"yerr": 2 * here.standard_error, "linestyle": "", "elinewidth": 0.7, "capsize": 1.5}
        ax.errorbar(here.batch_size, here["mean"] - here.limit, color=colour, marker=marker, markersize=3, **bars)
        ax.plot(here.batch_size, here.expected - here.limit, color=colour, linewidth=0.8)
    axes[0].set(title=f"all sub-batches of {exact.batch_size.max()} pairs")
    axes[0].set(ylabel="mean loss − growth,\nless that of the whole set")
    axes[1].set(title="uniform: InfoNCE family", ylabel="mean − growth − limit")
    axes[1].set_yscale("symlog", linthresh=1e-3)
    style.plain(axes[1].yaxis)
    axes[2].set(title="uniform: KCL", ylabel="mean − closed form")
    axes[0].set_xlabel("batch size M")
    for ax in axes[1:]:
        ax.set_xscale("log", base=2)
        ax.set_xticks([2, 8, 32, 128, 512], ["2", "8", "32", "128", "512"])
        ax.set_xlabel("batch size M")
    looks = [(title, *style.LOOKS[method]) for method, title in TITLES.items()]
    handles = [Line2D([], [], color=c, marker=m, markersize=3.5, linewidth=1, label=title) for title, c, m in looks]
    style.legend(fig, handles)
    return fig
