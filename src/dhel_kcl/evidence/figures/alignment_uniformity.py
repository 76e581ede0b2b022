"""Alignment against uniformity of the test embeddings z, one point a seed; larger points, larger batches.

Down and to the left is better in both.
"""

from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dhel_kcl.evidence.figures import panels
from dhel_kcl.evidence.tidy import Results, where
from dhel_kcl.presentation import style
from dhel_kcl.study.suite import dataset_title


def draw(results: Results) -> Figure:
    diameters = {size: 3 + 2 * rank for rank, size in enumerate(results.all_sizes)}
    fig, axes = style.panels(len(results.datasets), height=2.9, sharey=False)
    for ax, dataset in zip(axes, results.datasets, strict=True):
        methods, here = results.methods("losses", dataset), where(results.selected, dataset=dataset)
        if here[here.method.isin(methods)].empty:
            style.not_run(ax)
        for method in methods:
            look: dict[str, Any] = {"linestyle": "", "alpha": 0.75} | panels.look(method, results.suite)
            for size in results.sizes(dataset):
                points = where(here, method=method, batch_size=size)
                ax.plot(points.z_alignment, points.z_uniformity, markersize=diameters[size], **look)
        ax.set(xlabel="alignment  $\\|u - v\\|^2$", title=dataset_title(dataset))
    axes[0].set_ylabel("uniformity (t = 2)")
    sizes = [
        Line2D([], [], linestyle="", marker="o", color=style.GREY, markersize=diameter, label=f"M = {size}")
        for size, diameter in diameters.items()
    ]
    handles = [*panels.loss_handles(results, linestyle=""), *sizes]
    style.legend(fig, handles, columns=3 if len(axes) == 1 else 5)
    return fig
