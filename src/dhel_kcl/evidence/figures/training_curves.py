"""Gap of the training loss to its known least value, by epoch, at the selected setting; mean over seeds.

Losses have different scales and hyperparameters, so the gap of each is divided by its value in the first epoch; shaded,
one standard deviation. Where no least value is known for a batch size, the panel says so.
"""

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dhel_kcl.evidence.figures import panels
from dhel_kcl.evidence.tidy import Results, where
from dhel_kcl.presentation import style

TITLE = "How far the training losses fall towards their least values (shaded: 1 SD over seeds)"


def draw(results: Results) -> Figure:
    epochs = results.judged("epochs")
    fig, axes = panels.cells(results, TITLE, "epoch", "gap to the least loss\n/ gap in epoch 1")
    known = set(epochs[epochs.gap.notna()].method)
    for (dataset, size), ax in axes.items():
        methods, here = results.methods("losses", dataset), where(epochs, dataset=dataset, batch_size=size)
        here = here[here.method.isin(methods)]
        ax.set_ylim(bottom=0)
        ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        if here.empty:
            style.not_run(ax)
            continue
        if here.gap.isna().all():
            style.words(ax, "least value\nnot known")
            ax.tick_params(bottom=False, labelbottom=False)
        for method in methods:
            gap = where(here, method=method).pivot(index="epoch", columns="seed", values="gap")
            if gap.empty:
                continue
            relative, every = gap / gap.iloc[0], max(1, len(gap) // 5)
            mean, spread = relative.mean(axis=1), relative.std(axis=1)
            style.curve(ax, relative.index, mean, spread, every, **panels.look(method, results.suite))
    handles = panels.loss_handles(results)
    for method, handle in zip(results.methods("losses"), handles, strict=True):
        if method not in known and method in set(epochs.method):
            handle.set_label(f"{handle.get_label()}: least value not known")
    style.legend(fig, handles)
    return fig
