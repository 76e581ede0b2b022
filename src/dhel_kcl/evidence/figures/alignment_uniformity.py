"""Alignment against uniformity of the test embeddings z: means over seeds, bars of one standard deviation.

Larger points, larger batches. Down and to the left is better in both.
"""

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dhel_kcl.evidence.figures import panels
from dhel_kcl.evidence.tidy import Results, where
from dhel_kcl.presentation import style

TITLE = "Alignment of views and uniformity of images"


def draw(results: Results) -> Figure:
    datasets = results.datasets_of("losses")
    diameters = {size: 3 + 1.5 * rank for rank, size in enumerate(results.all_sizes)}
    title = f"{TITLE} {panels.over_seeds(results, 'bars')}"
    fig, axes = style.panels(len(datasets), 3.3, title, sharey=False)
    for ax, dataset in zip(axes, datasets, strict=True):
        methods, here = results.methods("losses", dataset), where(results.selected, dataset=dataset)
        by = here[here.method.isin(methods)].groupby(["method", "batch_size"])[["z_alignment", "z_uniformity"]]
        if by.ngroups == 0:
            style.not_run(ax)
        spread = by.std().fillna(0)
        for (method, size), mean in by.mean().iterrows():
            bars = spread.loc[method, size]
            look = panels.look(method, results.suite) | {"markersize": diameters[size], "elinewidth": 0.8}
            ax.errorbar(
                mean.z_alignment,
                mean.z_uniformity,
                xerr=bars.z_alignment,
                yerr=bars.z_uniformity,
                linestyle="",
                alpha=0.85,
                **look,
            )
        ax.set(xlabel="alignment  ‖u − v‖²", title=panels.heading(results.suite, dataset))
    axes[0].set_ylabel("uniformity (t = 2)")
    sizes = [
        Line2D([], [], linestyle="", marker="o", color=style.GREY, markersize=diameter, label=f"M = {size}")
        for size, diameter in diameters.items()
    ]
    handles = [*panels.loss_handles(results, linestyle=""), *sizes]
    style.legend(fig, handles)
    return fig
