"""Effective rank against alignment and against accuracy, by energy weight and temperature; and the effects.

Curves join the temperatures (of KCL gamma) of one loss, energy weight, learning rate and length, at one batch size; the
thicker, the larger the weight. Temperatures are named at the largest weight. Effects: at equal learning rates every
setting's (small), their mean and its interval; below it the mean with each side at its own best rate.
"""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dhel_kcl.evidence import ledger
from dhel_kcl.evidence.causes import Points
from dhel_kcl.evidence.dataset_runs import DatasetRuns, Pair
from dhel_kcl.evidence.figures import panels
from dhel_kcl.evidence.figures.forest import forest, frame, verdict_handles
from dhel_kcl.evidence.tidy import Results, where
from dhel_kcl.presentation import style
from dhel_kcl.study.suite import Suite, dataset_title

TITLES = {"simclr": "SimCLR", "dcl": "DCL", "dhel-mean": "DHEL mean", "dhel-anchor": "DHEL anchor", "dhel-sum": "DHEL"}
X_AXES = {"z_alignment": "alignment  $\\|u - v\\|^2$", "test_accuracy": "test accuracy (%)"}


def draw(results: Results) -> Figure:
    datasets = results.datasets_of("causes")
    size, ratios = (style.PAGE, 0.5 + 2 * len(datasets)), [1, 1, 0.8]
    fig, axes = style.grid(len(datasets), 3, size, width_ratios=ratios)
    points = pd.concat([Points.read(results, dataset).runs for dataset in datasets]).fillna({"weight": 1.0})
    widths = {weight: 0.6 + 0.6 * rank for rank, weight in enumerate(sorted(points.weight.unique()))}
    for (*by_column, effects), dataset in zip(axes, datasets, strict=True):
        here = where(points, dataset=dataset)
        for ax, (column, label) in zip(by_column, X_AXES.items(), strict=True):
            draw_curves(ax, here, column, widths, results.suite)
            ax.set(xlabel=label, ylabel="effective rank of z", title=dataset_title(dataset))
        if not here.empty:
            name_temperatures(by_column[0], here)
        draw_effects(effects, results, dataset)
    style.legend(fig, handles(results, list(points.loss.unique()), widths), columns=5)
    return fig


def draw_curves(ax: Axes, points: pd.DataFrame, column: str, widths: dict[float, float], suite: Suite) -> None:
    """Rank against `column`, one curve a loss, weight, rate and length; means over seeds, bars of one standard
    deviation."""
    if points.empty:
        style.not_run(ax)
    for (loss, weight, *_), line in points.groupby(["loss", "weight", "other", "rate", "length"], sort=False):
        grouped = line.groupby(["temperature", "gamma"], dropna=False)[[column, "z_effective_rank"]]
        mean, spread = grouped.mean(), grouped.std().fillna(0)
        ax.errorbar(
            mean[column],
            mean.z_effective_rank,
            yerr=spread.z_effective_rank,
            xerr=spread[column],
            elinewidth=0.5,
            alpha=0.85,
            **by_weight(widths[weight]),
            **look_of(loss, suite),
        )


def by_weight(width: float) -> dict[str, Any]:
    """How curves of an energy weight look."""
    return {"linewidth": width, "markersize": 2 + 1.5 * width}


def name_temperatures(ax: Axes, points: pd.DataFrame) -> None:
    """Beside the points of the largest weight and rate of the first loss, at its shortest length."""
    line = where(points, loss=points.loss.iloc[0])
    line = where(line, weight=line.weight.max(), rate=line.rate.max(), length=line.length.min())
    for temperature, (x, y) in line.groupby("temperature")[["z_alignment", "z_effective_rank"]].mean().iterrows():
        ax.annotate(f"τ = {temperature:g}", (x, y), xytext=(7, -9), textcoords="offset points", fontsize="x-small")


def draw_effects(ax: Axes, results: Results, dataset: str) -> None:
    """Effects of loss, weight and temperature on the rank: every setting's, and the ledger's estimates."""
    statements, runs = ledger.read().of_causes, DatasetRuns(results, dataset, ledger.read().rules)
    for position, statement in enumerate(statements):
        settings = statement.statistic.estimate(runs, Pair(), statement.column).components.values()
        ax.plot(
            [each.value for each in settings], [position - 0.2] * len(settings), "|", color=style.GREY, markersize=4
        )
    claims = where(results.table("claims"), dataset=dataset)
    forest(ax, [where(claims, id=statement.id) for statement in statements], [dataset])
    labels = [statement.short.replace(": ", "\n").replace(" - ", " − ") for statement in statements]
    ax.set_yticks(range(len(statements)), labels)
    frame(ax, statements[0], support=False)
    ax.set_title("effect on the rank")


def handles(results: Results, losses: list[str], widths: dict[float, float]) -> list[Line2D]:
    grey: dict[str, Any] = {"color": style.GREY}
    names = [TITLES.get(loss, loss) for loss in losses]
    looks = [look_of(loss, results.suite) for loss in losses]
    found = [Line2D([], [], label=name, markersize=4, **look) for name, look in zip(names, looks, strict=True)]
    for weight, width in widths.items():
        found.append(Line2D([], [], marker="o", label=f"weight {weight:g}", **grey, **by_weight(width)))
    ids, claims = [statement.id for statement in ledger.read().of_causes], results.table("claims")
    found += verdict_handles(set(claims[claims.id.isin(ids)].verdict))
    return [*found, Line2D([], [], marker="|", linestyle="", label="one setting", **grey)]


def look_of(loss: str, suite: Suite) -> dict[str, Any]:
    return panels.look("dhel" if loss == "dhel-sum" else loss, suite)
