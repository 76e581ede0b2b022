"""Figure: gap of the training loss to its known least value, by epoch, at the selected setting; mean over seeds.

Losses have different scales and hyperparameters, so the gap of each is divided by its value in the first epoch.
Where no least value is known for a batch size, the panel says so.

Example:
    python -m dhel_kcl.figures.training_curves --root . --suite digits --results results/digits --out curves
"""

from matplotlib.figure import Figure

from dhel_kcl import cli
from dhel_kcl.figures import style
from dhel_kcl.results import Results


def draw(results: Results) -> Figure:
    suite, sizes = results.suite, results.suite.config["batch_sizes"]
    epochs = results.table("epochs")
    methods = results.methods("losses")
    cells = [(dataset, size) for dataset in suite.datasets for size in sizes]
    fig, axes = style.panels(len(cells))
    for ax, (dataset, size) in zip(axes, cells, strict=True):
        here = epochs[(epochs.dataset == dataset) & (epochs.batch_size == size)]
        if here[here.method.isin(methods)].gap.isna().all():
            ax.text(0.5, 0.5, "least value not known", ha="center", va="center", transform=ax.transAxes)
        for method in methods:
            gap = here[here.method == method].pivot(index="epoch", columns="seed", values="gap")
            relative = (gap / gap.iloc[0]).mean(axis=1)
            ax.plot(relative.index, relative, **style.look(method, suite), markevery=3, markersize=3.5, linewidth=1.2)
        ax.set(title=f"{dataset}, M = {size}", xlabel="epoch")
    axes[0].set_ylabel("gap to the least loss\n/ gap in epoch 1")
    axes[0].set_ylim(bottom=0)
    style.legend(fig, [style.handle(method, suite) for method in methods])
    return fig


if __name__ == "__main__":
    cli.run(lambda: style.main(draw, __doc__))
