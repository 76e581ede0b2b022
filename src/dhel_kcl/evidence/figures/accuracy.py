"""Test accuracy of the linear probe against batch size, at the setting selected on validation.

Mean and standard deviation over seeds; horizontal lines are the floors, and a floor far below is named with its value.
"""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dhel_kcl.evidence.figures import panels
from dhel_kcl.evidence.tidy import Results, where
from dhel_kcl.presentation import style
from dhel_kcl.study.suite import FLOORS, Suite, dataset_title


def draw(results: Results) -> Figure:
    fig, axes = style.panels(len(results.datasets), height=2.6, sharey=False)
    lines: set[str] = set()
    for ax, dataset in zip(axes, results.datasets, strict=True):
        lines |= draw_dataset(ax, results, dataset)
    axes[0].set_ylabel("test accuracy (%)")
    floors = [panels.floor_handle(floor, results.suite) for floor in FLOORS if floor in lines]
    style.legend(fig, [*panels.loss_handles(results), *floors], columns=2 if len(axes) == 1 else 5)
    return fig


def draw_dataset(ax: Axes, results: Results, dataset: str) -> set[str]:
    """Losses and floors of a data set; returns which floors are lines."""
    sizes, methods = results.sizes(dataset), results.methods("losses", dataset)
    here = where(results.selected, dataset=dataset)
    for position, method in enumerate(methods):
        by_size = where(here, method=method).groupby("batch_size").test_accuracy
        shift = 1.025 ** (position - (len(methods) - 1) / 2)  # side by side, not on top of each other
        x, look = [size * shift for size in by_size.mean().index], panels.look(method, results.suite)
        ax.errorbar(x, by_size.mean(), by_size.std().fillna(0), **look, markersize=4, linewidth=1.2, capsize=2)
    trained = here[here.method.isin(methods)].groupby(["method", "batch_size"]).test_accuracy.mean()
    floors = here[here.method.isin(FLOORS)].groupby("method").test_accuracy.mean()
    reach = max(2 * (trained.max() - trained.min()), 2)
    far = floors < trained.min() - reach
    for floor, value in floors[~far].items():
        ax.axhline(value, color=style.GREY, linestyle=panels.FLOOR_LINES[floor], linewidth=1)
    ax.set_xscale("log", base=2)
    ax.set_xlim(min(sizes) / 1.4, max(sizes) * 1.4)
    name_far_floors(ax, floors[far], results.suite)
    ax.set_xticks(sizes, [str(size) for size in sizes])
    ax.minorticks_off()
    ax.set(xlabel="batch size M", title=dataset_title(dataset))
    if trained.empty:
        style.not_run(ax)
    return set(floors[~far].index)


def name_far_floors(ax: Axes, floors: pd.Series, suite: Suite) -> None:
    """Words with their values at the bottom of the panel, which grows to have room for them."""
    if len(floors):
        bottom, top = ax.get_ylim()
        ax.set_ylim(bottom - 0.1 * len(floors) * (top - bottom))
    text = "\n".join(f"below: {suite.title(floor)} {value:.1f} %" for floor, value in floors.items())
    ax.text(0.02, 0.03, text, transform=ax.transAxes, color=style.GREY, fontsize="x-small")
