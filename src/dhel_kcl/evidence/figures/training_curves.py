"""Figure: gap of the training loss to its known least value, by epoch, at the selected setting; mean over seeds.

Losses have different scales and hyperparameters, so the gap of each is divided by its value in the first epoch; shaded,
one standard deviation. Where no least value is known for a batch size, the panel says so.

Example:
    python -m dhel_kcl.evidence.figures.training_curves --root . --suite digits --results results/digits --out curves
"""

from matplotlib.figure import Figure

from dhel_kcl.evidence.tidy import Results
from dhel_kcl.presentation import style
from dhel_kcl.runtime import cli


def draw(results: Results) -> Figure:
    suite, epochs = results.suite, results.table("epochs")
    fig, axes = style.cells(results, "epoch", "gap to the least loss\n/ gap in epoch 1")
    for (dataset, size), ax in axes.items():
        methods = results.methods("losses", dataset)
        here = epochs[(epochs.dataset == dataset) & (epochs.batch_size == size)]
        ax.set_ylim(bottom=0)
        if here[here.method.isin(methods)].empty:
            style.not_run(ax)
            continue
        if here[here.method.isin(methods)].gap.isna().all():
            ax.text(0.5, 0.5, "least value not known", ha="center", va="center", transform=ax.transAxes)
        for method in methods:
            gap = here[here.method == method].pivot(index="epoch", columns="seed", values="gap")
            if gap.empty:
                continue
            relative, every = gap / gap.iloc[0], max(1, len(gap) // 5)
            mean, spread = relative.mean(axis=1), relative.std(axis=1)
            style.curve(ax, relative.index, mean, spread, every, **style.look(method, suite))
    style.legend(fig, [style.handle(method, suite) for method in results.methods("losses")])
    return fig


if __name__ == "__main__":
    cli.run(lambda: style.main(draw, __doc__))
