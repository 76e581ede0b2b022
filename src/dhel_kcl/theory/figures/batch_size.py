"""Expected loss against batch size.

The InfoNCE family's growth with log(M - 1) is subtracted everywhere. Left: exact mean over all sub-batches of a fixed
set of pairs, less that of the whole set. Middle and right: mean over batches of aligned positives with uniform anchors
on S^127 (points, bars of two standard errors), less the limit M -> inf, in percent of the loss's range from uniform
anchors to total collapse; lines are the expansion for large M (zero for KCL). At one M all losses see the same anchors.
"""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dhel_kcl.presentation import style
from dhel_kcl.presentation.titles import TITLES


def draw(table: pd.DataFrame) -> Figure:
    fig, axes = style.panels(
        3, 2.6, "How the expected loss depends on the batch size (bars: 2 standard errors)", sharey=False
    )
    exact, sampled = table[table.sampling == "sub-batches"], table[table.sampling == "uniform"]
    for method in TITLES:
        colour, marker = style.LOOKS[method]
        line = exact[exact.method == method].set_index("batch_size")["mean"]
        axes[0].plot(line - line.iloc[-1], color=colour, marker=marker, markersize=3, linewidth=1)
        here = sampled[sampled.method == method]
        ax = axes[2] if method.startswith("kcl") else axes[1]
        percent = 100 / (here.collapsed - here.limit).abs()
        bars = {"yerr": 2 * percent * here.standard_error, "linestyle": "", "elinewidth": 0.7, "capsize": 1.5}
        shift = percent * (here["mean"] - here.limit)
        ax.errorbar(here.batch_size, shift, color=colour, marker=marker, markersize=3, **bars)
        ax.plot(here.batch_size, percent * (here.expected - here.limit), color=colour, linewidth=0.8)
    axes[0].set(title=f"all sub-batches of {exact.batch_size.max()} pairs")
    axes[0].set(ylabel="mean loss − growth,\nless that of the whole set")
    axes[1].set(title="uniform: InfoNCE family", ylabel="shift from the limit,\n% of the range")
    axes[2].set(title="uniform: KCL")
    together = ((axes[0], 3, 0.13, "all KCL"), (axes[1], 90, -0.6, "DCL, all DHEL"), (axes[2], 90, 0.06, "all KCL"))
    for ax, x, y, words in together:
        ax.text(x, y, words, fontsize=style.SMALL, ha="center", va="center")
    for ax in axes[1:]:
        ax.set_yscale("symlog", linthresh=0.1)
        ax.set_ylim(-100, 100)
        style.plain(ax.yaxis)
    axes[0].set_xlabel("batch size M")
    for ax in axes[1:]:
        ax.set_xscale("log", base=2)
        ax.set_xticks([2, 8, 32, 128, 512], ["2", "8", "32", "128", "512"])
        ax.set_xlabel("batch size M")
    looks = [(title, *style.LOOKS[method]) for method, title in TITLES.items()]
    handles = [Line2D([], [], color=c, marker=m, markersize=3.5, linewidth=1, label=title) for title, c, m in looks]
    style.legend(fig, handles)
    return fig
