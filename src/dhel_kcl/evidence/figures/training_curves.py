"""Gap of the training loss to its known least value, by epoch, at the selected setting; mean over seeds.

Losses have different scales and hyperparameters, so the gap of each is divided by its value in the first epoch; shaded,
one standard deviation. A batch size at which no loss has a known least value has no panel, unless there is no other.
"""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dhel_kcl.evidence.figures import panels
from dhel_kcl.evidence.tidy import Results, where
from dhel_kcl.presentation import style
from dhel_kcl.study.suite import Suite

TITLE = "How far the training losses fall towards their least values"


def draw(results: Results) -> Figure:
    epochs = {cell: of_losses(results, *cell) for cell in panels.cells(results)}
    told = [cell for cell, here in epochs.items() if here.empty or here.gap.notna().any()]
    unknown = sorted({size for _, size in epochs} - {size for _, size in told})
    without = f", where these are known: not at M = {', '.join(map(str, unknown))}" if told and unknown else ""
    title = f"{TITLE}{without} {panels.over_seeds(results, 'shaded')}"
    fig, axes = panels.grid(results, told or list(epochs), title, "epoch", "gap to the least loss\n/ gap in epoch 1")
    for cell, ax in axes.items():
        draw_curves(ax, epochs[cell], results.suite)
    panels.number_rows(axes)
    handles, known = panels.loss_handles(results), pd.concat(epochs.values()).groupby("method").gap.count()
    for method, handle in zip(results.methods("losses"), handles, strict=True):
        if known.any() and known.get(method) == 0:
            handle.set_label(f"{handle.get_label()}: least value not known")
    style.legend(fig, handles)
    return fig


def of_losses(results: Results, dataset: str, size: int) -> pd.DataFrame:
    """Rows of epochs.csv of the losses that are compared."""
    here = where(results.judged("epochs"), dataset=dataset, batch_size=size)
    return here[here.method.isin(results.methods("losses", dataset))]


def gap_left(epochs: pd.DataFrame) -> pd.DataFrame:
    """Share of the first epoch's gap, by epoch and seed, of one loss."""
    gap = epochs.pivot(index="epoch", columns="seed", values="gap")
    return gap / gap.iloc[0]


def draw_curves(ax: Axes, epochs: pd.DataFrame, suite: Suite) -> None:
    """A curve a loss."""
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    if epochs.empty:
        style.not_run(ax)
    elif epochs.gap.isna().all():
        style.words(ax, "least value\nnot known")
        ax.tick_params(bottom=False, labelbottom=False)
    for place, method in enumerate(epochs.method.unique()):
        left = gap_left(where(epochs, method=method))
        mean, spread, every = left.mean(axis=1), left.std(axis=1), max(1, len(left) // 5)
        # So that of curves upon each other all have markers in sight.
        first = place * max(1, every // epochs.method.nunique()) % every
        style.curve(ax, left.index, mean, spread, every, first, **panels.look(method, suite))
    ax.set_ylim(0, max(ax.get_ylim()[1], 1.05))
    ax.set_xlim(left=max(ax.get_xlim()[0], 0.5))
