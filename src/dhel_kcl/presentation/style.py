"""One look for all figures: sizes of a two-column page, one colour and marker a loss, reproducible files."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from dhel_kcl.files import atomic

COLUMN, PAGE = 3.25, 6.75
"""Widths in inches of a column and of the page."""
SMALL = 7
"""Points; no text is smaller."""
CHARACTERS = 13
"""Of a title to an inch."""

# Any two differ by 20 or more (CIEDE2000); the five of the main comparison by 20 to deuteranopes too, and by 8 in
# lightness, so that grey tells them; DHEL's forms are shades of one hue. tests/unit computes it.
LOOKS = {
    "simclr": ("#1B4EAB", "o"),
    "dcl": ("#73B3FD", "s"),
    "dhel": ("#D45024", "D"),
    "kcl-gaussian": ("#127553", "^"),
    "kcl-log": ("#CC7AA1", "v"),
    "infonce": ("#110504", "*"),
    "dhel-anchor": ("#632404", "<"),
    "dhel-mean": ("#FE9C22", ">"),
    "kcl-imq": ("#92B683", "P"),
    "kcl-riesz": ("#59264F", "X"),
}
"""Colour and marker of the losses that all figures know by name."""
OTHERS = [("#995CF5", "h"), ("#705C0A", "p"), ("#C20085", "d"), ("#00007A", "H"), ("#002A03", "8")]
"""Colours and markers for losses with other names."""
GREY = "#555555"
"""Of what is no loss: floors, keys to sizes and widths, words in a panel."""


def set_theme() -> None:
    """Fonts and ticks of all figures drawn from now on, whatever the user's matplotlibrc says and fonts are."""
    matplotlib.rcdefaults()
    # The one font that comes with matplotlib; seaborn would prefer Arial where a machine has it.
    own = {"font.sans-serif": ["DejaVu Sans"], "pdf.fonttype": 42, "font.size": 8, "figure.titlesize": 9}
    own |= {f"axes.{name}size": 8 for name in ("title", "label")} | {"legend.fontsize": SMALL}
    own |= {f"{axis}tick.{name}": size for axis in "xy" for name, size in (("labelsize", SMALL), ("major.size", 3))}
    sns.set_theme(style="ticks", context="paper", rc=own)


def blank(size: tuple[float, float], title: str) -> Figure:
    """A figure of `size` (width, height) in inches, without panels, whose title says what it shows.

    Without pyplot, which would ask for a window, or for a notebook's, where the user's settings say so.
    """
    fig = Figure(figsize=size, layout="constrained")
    fig.suptitle("\n".join(textwrap.fill(line, int(CHARACTERS * size[0])) for line in title.split("\n")))
    return fig


def grid(rows: int, columns: int, size: tuple[float, float], title: str, **options: Any) -> tuple[Figure, NDArray[Any]]:
    """A figure with a title, and its (rows, columns) Axes; `options` are those of `subplots`."""
    fig = blank(size, title)
    return fig, fig.subplots(rows, columns, squeeze=False, **options)


def panels(count: int, height: float, title: str, sharey: bool = True) -> tuple[Figure, list[Axes]]:
    """A row of `count` panels, `height` inches high: a column wide for one, else a page wide."""
    fig, axes = grid(1, count, (COLUMN if count == 1 else PAGE, height), title, sharey=sharey)
    return fig, list(axes[0])


def plain(axis: Axis) -> None:
    """Numbers at the ticks as they are: exponents would be smaller than `SMALL`."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.10g}".replace("-", "−")))


def dodged(position: int, count: int, width: float = 0.7) -> float:
    """Where the `position`-th of `count` neighbours stands beside their common place."""
    return width * ((position + 0.5) / count - 0.5)


def apart(values: Sequence[float], distance: float) -> NDArray[np.float64]:
    """The values in their order, moved as little as it takes (least squares) to be `distance` apart."""
    order = np.argsort(values, kind="stable")
    steps, moved = distance * np.arange(len(values)), np.array(values, float)
    if len(values):
        moved[order] = isotonic_regression(moved[order] - steps).x + steps
    return moved


def words(ax: Axes, text: str, colour: str = "black") -> None:
    """Words in the middle of a panel."""
    ax.text(0.5, 0.5, text, ha="center", va="center", transform=ax.transAxes, color=colour)


def not_run(ax: Axes) -> None:
    """Say that there is nothing to draw."""
    words(ax, "not run", GREY)
    ax.tick_params(which="both", left=False, labelleft=False, bottom=False, labelbottom=False)


def curve(ax: Axes, x: pd.Series, mean: pd.Series, spread: pd.Series, every: int, first: int = 0, **look: Any) -> None:
    """A mean with a band of one standard deviation; a marker at every `every`-th point from the `first` on."""
    spread = spread.fillna(0)
    ax.fill_between(x, mean - spread, mean + spread, color=look["color"], alpha=0.2, linewidth=0)
    ax.plot(x, mean, markevery=(first, every), markersize=3.5, linewidth=1.2, **look)


def legend(fig: Figure, handles: Sequence[Artist], columns: int = 5) -> None:
    """One legend for all panels, below them, in at most so many columns; 3 where the figure is a column wide."""
    if handles:
        most = min(columns, len(handles), 3 if fig.get_figwidth() <= COLUMN else columns)
        fig.legend(handles=handles, loc="outside lower center", ncols=most, frameon=False)


def save(fig: Figure, out: Path) -> None:
    """Write `out`.pdf and `out`.png."""
    sns.despine(fig)
    # No date and no version inside the files: the same data give the same bytes.
    for extension, metadata in (("pdf", {"CreationDate": None}), ("png", {"Software": None})):
        with atomic(out.with_suffix(f".{extension}")) as file:
            fig.savefig(file, format=extension, dpi=200, metadata=metadata)
