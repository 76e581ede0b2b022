"""Figure: every statement of the claims ledger as a forest plot, one panel a statement, one row a pair of losses.

Example:
    python -m dhel_kcl.evidence.figures.claims --root . --suite digits --results results/digits --out claims
"""

from typing import Any

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from dhel_kcl.evidence.tidy import Results
from dhel_kcl.evidence.verdicts import ledger
from dhel_kcl.presentation import style
from dhel_kcl.runtime import cli
from dhel_kcl.study.suite import dataset_title

# Filled, half filled and open; no colour, since colours stand for losses.
VERDICTS: dict[str, Any] = {
    "supported": {"color": "black", "fillstyle": "full"},
    "contradicted": {"color": "black", "fillstyle": "bottom", "markerfacecoloralt": "white"},
    "not distinguishable": {"color": "#777777", "fillstyle": "none"},
}
MARKERS = "osD^vPX"
"""Of the data sets, in the suite's order."""
COLUMNS = 4


def draw(results: Results) -> Figure:
    book, suite, table = ledger(), results.suite, results.table("claims")
    statements = book["statements"]
    pairs = [tuple(pair) for pair in book["pairs"] if set(pair) <= set(suite.methods)]
    rows = -(-len(statements) // COLUMNS)
    height = 0.8 + rows * (0.55 + max(len(pairs), 1) * (0.08 + 0.1 * len(results.datasets)))
    fig, axes = plt.subplots(rows, COLUMNS, figsize=(style.PAGE, height), squeeze=False, layout="constrained")
    for ax in axes.flat[len(statements) :]:
        ax.set_axis_off()
    for ax, statement in zip(axes.flat, statements, strict=False):
        here = table[table.id == statement["id"]]
        forest(ax, [here[(here.of == of) & (here.against == against)] for of, against in pairs], results.datasets)
        labels = [f"{suite.title(of)} − {suite.title(against)}" for of, against in pairs]
        first = statement in statements[::COLUMNS]
        ax.set_yticks(range(len(pairs)), labels if first else [""] * len(pairs))
        frame(ax, statement)
        ax.set_title(f"{statement['claim']}\n{statement['short']}", fontsize="small")
    legend: list[Artist] = [
        Line2D([], [], marker="o", linestyle="", markersize=4, label=verdict, **look)
        for verdict, look in VERDICTS.items()
        if verdict in set(table[table.id.isin([statement["id"] for statement in statements])].verdict)
    ]
    legend.append(Patch(color="#E8E8E8", label="within the margin"))
    if len(results.datasets) > 1:
        looks = zip(map(dataset_title, results.datasets), MARKERS, strict=False)
        legend += [Line2D([], [], marker=m, linestyle="", markersize=4, color="black", label=d) for d, m in looks]
    style.legend(fig, legend, columns=4)
    return fig


def forest(ax: Axes, rows: list[pd.DataFrame], datasets: list[str]) -> None:
    """Estimates and intervals, one line a row from the top; data sets side by side within a row."""
    for position, row in enumerate(rows):
        if row.estimate.isna().all():
            text = "not run" if (row.verdict == "not run").all() else "nothing to compare"
            where: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "ha": "center", "va": "center"}
            box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
            ax.annotate(text, (0.5, position), **where, fontsize=6, bbox=box)
            continue
        if len(datasets) > 1 and position:
            ax.axhline(position - 0.5, color="#DDDDDD", linewidth=0.5, zorder=-3)
        for entry in row.dropna(subset="estimate").itertuples():
            index = datasets.index(entry.dataset)
            y = position + 0.7 * ((index + 0.5) / len(datasets) - 0.5)
            look = VERDICTS[entry.verdict]
            if not pd.isna(entry.low):
                ax.hlines(y, entry.low, entry.high, color=look["color"], linewidth=1)
            ax.plot(entry.estimate, y, marker=MARKERS[index % len(MARKERS)], markersize=3.5, **look)


def frame(ax: Axes, statement: dict[str, Any], support: bool = True) -> None:
    """Threshold, margin, unit, and which side supports the claim."""
    threshold, margin = statement["threshold"], statement["margin"]
    ax.axvspan(threshold - margin, threshold + margin, color="#E8E8E8", zorder=-2, linewidth=0)
    ax.axvline(threshold, color="black", linewidth=0.6, zorder=-1)
    ax.set_ylim(len(ax.get_yticks()) - 0.4, -0.6)
    side = "   supports →" if statement["direction"] == "greater" else "   ← supports"
    ax.set_xlabel(statement["unit"] + side * support, fontsize="small")


if __name__ == "__main__":
    cli.run(lambda: style.main(draw, __doc__))
