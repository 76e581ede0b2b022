"""What each step from SimCLR to DHEL does to the effective rank of z, setting by setting, and rank against alignment.

Left: effects with 95 % intervals over seeds, at equal learning rates and with each side at its own best one, and their
mean over the settings. Right: every setting and learning rate at the usual length; its temperature by colour, loss by
marker, energy weight by size where other losses than DHEL mean have several; KCL, which has no temperature, is open.
"""

from collections.abc import Iterator
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from dhel_kcl.evidence import ledger
from dhel_kcl.evidence.causes import Points
from dhel_kcl.evidence.dataset_runs import DatasetRuns, Finding, Pair
from dhel_kcl.evidence.estimates import Estimate
from dhel_kcl.evidence.figures import forest, panels
from dhel_kcl.evidence.figures.forest import Effect
from dhel_kcl.evidence.ledger import Ledger, Statement
from dhel_kcl.evidence.tidy import Results, where
from dhel_kcl.evidence.wording import NOT_IN_THIS_SUITE, said
from dhel_kcl.presentation import style
from dhel_kcl.presentation.claim_names import heading
from dhel_kcl.presentation.titles import TITLES

AGAINST = {"z_alignment": "alignment ‖u − v‖²\n(lower is closer)", "test_accuracy": "test accuracy (%)"}

Look = dict[str, Any]
Line = tuple[str, list[Effect]]
"""Words, and effects beside each other; a heading has none."""


def draw(results: Results) -> Figure:
    datasets, book = results.datasets_of("causes"), ledger.read()
    blocks = {dataset: list(blocks_of(results, dataset, book)) for dataset in datasets}
    longest = max(sum(len(lines) for _, lines in found) for found in blocks.values())
    fig = style.blank(
        (style.PAGE, 1.5 + len(datasets) * max(3.6, 0.6 + forest.LINE * longest)),
        "What each step from SimCLR to DHEL does to the effective rank of z (bars: 95 % intervals), and rank against "
        "alignment and accuracy (a point for each setting and rate; w: weight of the negatives)",
    )
    names: list[Any] = [[f"{dataset} effects", f"{dataset} {column}"] for dataset in datasets for column in AGAINST]
    axes = fig.subplot_mosaic(names, width_ratios=[1, 0.9])
    points = pd.concat([main_points(results, dataset) for dataset in datasets])
    colours, sizes = by_temperature(points), by_weight(points)
    for dataset in datasets:
        draw_effects(axes[f"{dataset} effects"], blocks[dataset], panels.heading(results.suite, dataset))
        for column, label in AGAINST.items():
            ax = axes[f"{dataset} {column}"]
            draw_points(ax, where(points, dataset=dataset), column, colours, sizes, results)
            ax.set(xlabel=label, ylabel="effective rank of z")
    style.legend(fig, handles(points, colours, sizes, results), columns=4)
    return fig


def main_points(results: Results, dataset: str) -> pd.DataFrame:
    """Mean of every point at the suite's usual length; DHEL mean at weight 2 is called what it is, DHEL sum."""
    runs = where(Points.read(results, dataset).runs, main=True).fillna({"weight": 1.0})
    runs.loc[(runs.loss == "dhel-mean") & (runs.weight == 2), ["loss", "weight"]] = ["dhel", 1.0]
    by = ["loss", "weight", "temperature", "gamma", "other", "rate"]
    means = runs.groupby(by, dropna=False, sort=False)[["z_effective_rank", *AGAINST]].mean()
    return means.reset_index().assign(dataset=dataset)


def by_temperature(points: pd.DataFrame) -> dict[float, Any]:
    """A colour each, from dark to light, which grey shows too."""
    temperatures = sorted(points.temperature.dropna().unique())
    shades = matplotlib.colormaps["viridis"](np.linspace(0, 0.9, len(temperatures)))
    return dict(zip(temperatures, shades, strict=True))


def by_weight(points: pd.DataFrame) -> dict[float, float]:
    """Diameters of markers."""
    return {weight: 4 + 2 * rank for rank, weight in enumerate(sorted(points.weight.unique()))}


def marker(loss: str, results: Results) -> str:
    look: str = panels.look(loss, results.suite)["marker"]
    return look


def draw_points(
    ax: Axes, points: pd.DataFrame, column: str, colours: dict[float, Any], sizes: dict[float, float], results: Results
) -> None:
    if points.empty:
        style.not_run(ax)
        return
    for point in points.itertuples():
        colour = colours.get(point.temperature, style.GREY)
        look = {"color": colour, "markerfacecolor": "none" if pd.isna(point.temperature) else colour}
        x, size = getattr(point, column), sizes[point.weight]
        ax.plot(x, point.z_effective_rank, marker=marker(point.loss, results), markersize=size, alpha=0.85, **look)


def blocks_of(results: Results, dataset: str, book: Ledger) -> Iterator[tuple[Statement, list[Line]]]:
    """Of each statement that the suite asks a heading, its mean effect with the verdict, and that of every setting."""
    runs, claims = DatasetRuns(results, dataset, book.rules), where(results.table("claims"), dataset=dataset)
    for statement in book.of_causes:
        row = where(claims, id=statement.id).iloc[0]
        if row.note == NOT_IN_THIS_SUITE:
            continue
        finding = statement.statistic.estimate(runs, Pair(), statement.column)
        # Intervals of one setting are for reading; those of the mean are the verdict's.
        both = [(finding, forest.EQUAL_RATES)]
        if finding.retuned:
            both.append((finding.retuned, forest.RETUNED))
        level = book.rules.confidence
        mean = [effect(part.result, level, look) for part, look in both]
        settings = [(named(label), effects_at(label, both, level)) for label in finding.components]
        words = heading(statement.id, statement.short)
        yield statement, [(words, []), (f"mean ({said(row.verdict, row.equivalent)})", mean), *settings]


def effect(estimate: Estimate, level: float, look: Look) -> Effect:
    low, high = estimate.interval(level)
    return Effect(estimate.value, low, high, look)


def effects_at(setting: str, both: list[tuple[Finding, Look]], level: float) -> list[Effect]:
    return [
        effect(each, level, look | {"fillstyle": "none"})
        for finding, look in both
        if (each := finding.components.get(setting))
    ]


def named(setting: str) -> str:
    """Words of a setting: "SimCLR, w = 1" of "simclr, w = 1"; "DHEL sum" of "dhel-mean, w = 2", which it is."""
    first, *rest = setting.split(", ")
    if (first, rest[:1]) == ("dhel-mean", ["w = 2"]):
        first, rest = "dhel", rest[1:]
    return ", ".join([TITLES.get(first, first), *rest])


def draw_effects(ax: Axes, blocks: list[tuple[Statement, list[Line]]], title: str) -> None:
    ax.set_title(title)
    if not blocks:
        style.words(ax, "no step that the\nsuite could show")
        return
    forest.margins(ax, [(statement, len(lines)) for statement, lines in blocks])
    labels: list[str] = []
    headings = []
    for _, lines in blocks:
        headings.append(len(labels))
        for label, effects in lines:
            for position, each in enumerate(effects):
                if not pd.isna(each.value):
                    each.draw(ax, len(labels) + style.dodged(position, 2, 0.6))
            labels.append(label)
    forest.name_lines(ax, labels, headings)
    ax.set_xlabel(f"effect on the effective rank of z ({blocks[0][0].unit})")


def handles(
    points: pd.DataFrame, colours: dict[float, Any], sizes: dict[float, float], results: Results
) -> list[Artist]:
    """Effects; then temperatures, weights, losses."""
    look: Look = {"linestyle": "", "color": style.GREY}
    found: list[Artist] = [forest.handle(forest.EQUAL_RATES, "equal learning rates, filled: mean")]
    found += [forest.handle(forest.RETUNED, "each at its best rate"), forest.margin()]
    found += [Patch(color=colour, label=f"τ = {temperature:g}") for temperature, colour in colours.items()]
    if len(sizes) > 1:  # in a shape that no loss has
        found += [Line2D([], [], marker="h", markersize=d, label=f"size: w = {w:g}", **look) for w, d in sizes.items()]
    for loss, of_loss in points.groupby("loss", sort=False):
        face = "none" if of_loss.temperature.isna().all() else style.GREY
        label, shape = TITLES.get(str(loss), str(loss)), marker(str(loss), results)
        found.append(Line2D([], [], marker=shape, markersize=4.5, label=label, markerfacecolor=face, **look))
    return found
