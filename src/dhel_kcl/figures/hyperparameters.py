"""Figure: test accuracy at every point of the hyperparameter grid (one seed), the selected point filled.

The selection read validation accuracy only, so the filled point need not be the highest.

Example:
    python -m dhel_kcl.figures.hyperparameters --root . --suite digits --results results/digits --out hyperparameters
"""

from matplotlib.figure import Figure

from dhel_kcl import cli
from dhel_kcl.figures import style
from dhel_kcl.results import Results


def draw(results: Results) -> Figure:
    suite, sizes = results.suite, results.suite.config["batch_sizes"]
    grid = results.runs[results.runs.role == "grid"]
    methods = results.methods("losses")
    cells = [(dataset, size) for dataset in suite.datasets for size in sizes]
    fig, axes = style.panels(len(cells), height=2.5)
    for ax, (dataset, size) in zip(axes, cells, strict=True):
        for position, method in enumerate(methods):
            look = style.look(method, suite)
            points = grid[(grid.dataset == dataset) & (grid.method == method) & (grid.batch_size == size)]
            spread = [position + 0.5 * ((k + 0.5) / len(points) - 0.5) for k in range(len(points))]
            ax.vlines(
                position, points.test_accuracy.min(), points.test_accuracy.max(), color=look["color"], linewidth=0.8
            )
            for x, accuracy, selected in zip(spread, points.test_accuracy, points.selected, strict=True):
                face = look["color"] if selected else "white"
                ax.plot(x, accuracy, marker=look["marker"], markersize=4.5, color=look["color"], markerfacecolor=face)
        ax.set_xticks([])
        ax.set(title=f"{dataset}, M = {size}", xlabel="points by rising parameter")
        ax.set_xlim(-0.6, len(methods) - 0.4)
    axes[0].set_ylabel("test accuracy (%)")
    style.legend(fig, [style.handle(method, suite, linestyle="") for method in methods])
    return fig


if __name__ == "__main__":
    cli.run(lambda: style.main(draw, __doc__))
