"""One look for all figures: sizes of a two-column page, one colour and marker a loss, reproducible files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dhel_kcl.files import atomic

COLUMN, PAGE = 3.25, 6.75
"""Widths in inches of a column and of the page."""

# Colours of Okabe & Ito (2008), distinguishable with every common colour vision deficiency.
LOOKS = {
    "simclr": ("#0072B2", "o"),
    "dcl": ("#56B4E9", "s"),
    "dhel": ("#D55E00", "D"),
    "kcl-gaussian": ("#009E73", "^"),
    "kcl-log": ("#CC79A7", "v"),
    "infonce": ("#000000", "*"),
    "dhel-anchor": ("#E69F00", "<"),
    "dhel-mean": ("#8C564B", ">"),
    "kcl-imq": ("#7F7F7F", "P"),
    "kcl-riesz": ("#999933", "X"),
}
"""Colour and marker of the losses that all figures know by name."""
OTHERS = [("#332288", "h"), ("#882255", "p"), ("#44AA99", "d"), ("#AA4499", "H"), ("#661100", "8")]
"""Colours and markers for losses with other names."""
GREY = "#555555"
"""Of what is no loss: floors, keys to sizes and widths, words in a panel."""


def set_theme() -> None:
    """Fonts and ticks of all figures drawn from now on, whatever the user's matplotlibrc says and fonts are."""
    matplotlib.rcdefaults()
    # The one font that comes with matplotlib; seaborn would prefer Arial where a machine has it.
    own = {"font.sans-serif": ["DejaVu Sans"], "pdf.fonttype": 42, "axes.titlesize": "medium"}
    sns.set_theme(style="ticks", context="paper", font_scale=0.85, rc=own)


def grid(rows: int, columns: int, size: tuple[float, float], **options: Any) -> tuple[Figure, NDArray[Any]]:
    """A figure of `size` (width, height) in inches, and its (rows, columns) Axes; `options` are those of `subplots`.

    Without pyplot, which would ask for a window, or for a notebook's, where the user's settings say so.
    """
    fig = Figure(figsize=size, layout="constrained")
    return fig, fig.subplots(rows, columns, squeeze=False, **options)


def panels(count: int, height: float, sharey: bool = True) -> tuple[Figure, list[Axes]]:
    """A row of `count` panels, `height` inches high: a column wide for one, else a page wide."""
    fig, axes = grid(1, count, (COLUMN if count == 1 else PAGE, height), sharey=sharey)
    return fig, list(axes[0])


def words(ax: Axes, text: str, colour: str = "black") -> None:
    """Words in the middle of a panel."""
    ax.text(0.5, 0.5, text, ha="center", va="center", transform=ax.transAxes, color=colour)


def not_run(ax: Axes) -> None:
    """Say that there is nothing to draw."""
    words(ax, "not run", GREY)
    ax.tick_params(which="both", left=False, labelleft=False, bottom=False, labelbottom=False)


def curve(ax: Axes, x: pd.Series, mean: pd.Series, spread: pd.Series, every: int, **look: Any) -> None:
    """A mean with a band of one standard deviation; a marker at every `every`-th point."""
    spread = spread.fillna(0)
    ax.fill_between(x, mean - spread, mean + spread, color=look["color"], alpha=0.2, linewidth=0)
    ax.plot(x, mean, markevery=every, markersize=3.5, linewidth=1.2, **look)


def legend(fig: Figure, handles: Sequence[Artist], columns: int = 5) -> None:
    """One legend for all panels, below them."""
    if handles:
        fig.legend(handles=handles, loc="outside lower center", ncols=min(columns, len(handles)), frameon=False)


def save(fig: Figure, out: Path) -> None:
    """Write `out`.pdf and `out`.png."""
    sns.despine(fig)
    # No date and no version inside the files: the same data give the same bytes.
    for extension, metadata in (("pdf", {"CreationDate": None}), ("png", {"Software": None})):
        with atomic(out.with_suffix(f".{extension}")) as file:
            fig.savefig(file, format=extension, dpi=200, metadata=metadata)
