"""Shares of starts that arrive, with exact 95 % intervals (Clopper and Pearson 1934)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike
from scipy.stats import binomtest


def draw(ax: Axes, places: ArrayLike, arrivals: Sequence[Sequence[bool]], along: str = "x", **look: Any) -> None:
    """One share at each place.

    places: on the axis `along`; the share is on the other one. arrivals: at each place whether each start arrived.
    """
    shares = np.array([np.mean(starts) for starts in arrivals])
    intervals = [binomtest(int(sum(starts)), len(starts)).proportion_ci(0.95) for starts in arrivals]
    bars = np.abs(np.array([(each.low, each.high) for each in intervals]).T - shares)
    options: dict[str, Any] = {"linestyle": "", "markersize": 3.5, "elinewidth": 0.8} | look
    if along == "x":
        ax.errorbar(places, shares, yerr=bars, **options)
    else:
        ax.errorbar(shares, places, xerr=bars, **options)
