"""Figure: alignment against uniformity of the test embeddings z, one point a seed; larger points, larger batches.

Down and to the left is better in both.

Example:
    python -m dhel_kcl.evidence.figures.alignment_uniformity --root . --suite digits --results results/digits --out plane
"""

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dhel_kcl.evidence.tidy import Results
from dhel_kcl.presentation import style
from dhel_kcl.runtime import cli
from dhel_kcl.study.suite import dataset_title


def draw(results: Results) -> Figure:
    suite, runs = results.suite, results.selected
    diameters = {size: 3 + 2 * rank for rank, size in enumerate(results.all_sizes)}
    fig, axes = style.panels(len(results.datasets), height=2.9, sharey=False)
    for ax, dataset in zip(axes, results.datasets, strict=True):
        methods = results.methods("losses", dataset)
        if runs[(runs.dataset == dataset) & runs.method.isin(methods)].empty:
            style.not_run(ax)
        for method in methods:
            look = style.look(method, suite)
            for size in results.sizes(dataset):
                points = runs[(runs.dataset == dataset) & (runs.method == method) & (runs.batch_size == size)]
                ax.plot(
                    points.z_alignment,
                    points.z_uniformity,
                    linestyle="",
                    markersize=diameters[size],
                    alpha=0.75,
                    **look,
                )
        ax.set(xlabel="alignment  $\\|u - v\\|^2$", title=dataset_title(dataset))
    axes[0].set_ylabel("uniformity (t = 2)")
    handles = [style.handle(method, suite, linestyle="") for method in results.methods("losses")]
    handles += [
        Line2D([], [], linestyle="", marker="o", color=style.FLOOR_COLOUR, markersize=diameter, label=f"M = {size}")
        for size, diameter in diameters.items()
    ]
    style.legend(fig, handles, columns=3 if len(axes) == 1 else 5)
    return fig


if __name__ == "__main__":
    cli.run(lambda: style.main(draw, __doc__))
