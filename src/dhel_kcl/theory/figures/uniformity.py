"""How far uniformity, Wasserstein uniformity and effective rank move as points collapse to k dimensions.

Each as a share of its range: 0 for uniform points of S^127, 1 for total collapse (effective rank 1). Means over
draws of 1,000 points; the bars, two standard deviations between draws, are mostly narrower than the markers.
"""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dhel_kcl.presentation import style

COLLAPSED = {"uniformity": 0.0, "wasserstein_uniformity": 1.0, "effective_rank": 1.0}
LOOKS = {
    "uniformity": ("uniformity (t = 2)", "#000000", "x"),
    "wasserstein_uniformity": ("Wasserstein uniformity", "#555555", "+"),
    "effective_rank": ("effective rank", "#999999", "."),
}
PANELS = {
    "sub-sphere": ("uniform on a k-dimensional sub-sphere", "dimensions k (of 128)"),
    "anisotropic": ("anisotropic Gaussian, projected", "participation ratio k of its variances"),
}


def draw(table: pd.DataFrame) -> Figure:
    full = table[(table.family == "sub-sphere") & (table["rank"] == table["rank"].max())]
    title = "Which measures see collapse: how far each moves as dimensions are lost"
    fig, axes = style.panels(len(PANELS), 2.7, f"{title} (bars, mostly within the markers: 2 SD of draws)")
    for ax, (family, (shape, label)) in zip(axes, PANELS.items(), strict=True):
        for metric, (_, colour, marker) in LOOKS.items():
            start = full[metric].mean()
            by_rank = table[table.family == family].groupby("rank")[metric]
            share = (by_rank.mean() - start) / (COLLAPSED[metric] - start)
            error = 2 * by_rank.std() / abs(COLLAPSED[metric] - start)
            ax.errorbar(share.index, share, error, color=colour, marker=marker, markersize=4, linewidth=1.2)
        ax.set_xscale("log", base=2)
        ranks = sorted(table["rank"].unique())
        ax.set_xticks(ranks, [str(rank) for rank in ranks])
        ax.set(title=shape, xlabel=label)
    axes[0].set_ylabel("shift as a share of the range")
    handles = [
        Line2D([], [], color=c, marker=m, markersize=4, linewidth=1.2, label=name) for name, c, m in LOOKS.values()
    ]
    style.legend(fig, handles)
    return fig
