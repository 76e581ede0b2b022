"""Figure: what each part of a loss asks for, on the circle with two pairs.

Rows are losses, columns objectives. Anchors u are filled, positives v open, the pairs have one marker each; u_1 is at
the top. All starts that reached the least value found are drawn over each other: a point smeared over the circle is one
that the objective leaves free, a point at a few places has several minimisers.

Example:
    python -m dhel_kcl.theory.figures.circle --table results/theory/circle.csv --out circle
"""

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dhel_kcl.presentation import style
from dhel_kcl.runtime import cli
from dhel_kcl.theory.figures import TITLES

PAIRS = {"1": ("#000000", "o"), "2": ("#7A7A7A", "s")}
# Positives outside the circle, each pair at its own radius, so that no point hides another.
RADII = {"u1": 1.0, "u2": 1.0, "v1": 1.15, "v2": 1.3}


def draw(table: pd.DataFrame) -> Figure:
    table = table[table.reached]
    methods, objectives = table.method.unique(), table.objective.unique()
    size = style.PAGE / len(objectives)
    fig, axes = plt.subplots(
        len(methods), len(objectives), figsize=(size * len(objectives), size * len(methods)), layout="constrained"
    )
    for i, method in enumerate(methods):
        for j, objective in enumerate(objectives):
            ax = axes[i, j]
            ax.add_patch(plt.Circle((0, 0), 1, fill=False, color="#BBBBBB", linewidth=0.8))
            here = table[(table.method == method) & (table.objective == objective)]
            for point, radius in RADII.items():
                angle, (colour, marker) = here[point] + np.pi / 2, PAIRS[point[1]]
                face = colour if point[0] == "u" else "none"
                x, y = radius * np.cos(angle), radius * np.sin(angle)
                ax.scatter(x, y, s=16, marker=marker, facecolor=face, edgecolor=colour, linewidth=0.7)
            ax.set(xlim=(-1.45, 1.45), ylim=(-1.45, 1.45), aspect="equal", xticks=[], yticks=[])
            if i == 0:
                ax.set_title(objective)
            if j == 0:
                ax.set_ylabel(TITLES[method])
            for spine in ax.spines.values():
                spine.set_linewidth(0)
    handles = [
        Line2D(
            [],
            [],
            linestyle="",
            marker=marker,
            markersize=4.5,
            color=colour,
            markerfacecolor=face,
            label=f"${view}_{pair}$",
        )
        for pair, (colour, marker) in PAIRS.items()
        for view, face in (("u", colour), ("v", "none"))
    ]
    style.legend(fig, handles)
    return fig


if __name__ == "__main__":
    cli.run(lambda: style.theory_main(draw, __doc__))
