"""Figure: effective rank against alignment and against accuracy, by energy weight and temperature; and the effects.

Curves join the temperatures of one loss and energy weight, at one batch size; the thicker, the larger the weight.
Temperatures are named at the largest weight. Effects: every setting's (small), their mean and its interval.

Example:
    python -m dhel_kcl.evidence.figures.trade_off --root . --suite digits --results results/digits --out trade_off
"""

from typing import Any

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dhel_kcl.evidence import trade_off
from dhel_kcl.evidence.figures.claims import VERDICTS, forest, frame
from dhel_kcl.evidence.tidy import Results
from dhel_kcl.evidence.verdicts import Evidence, ledger
from dhel_kcl.presentation import style
from dhel_kcl.runtime import cli
from dhel_kcl.study.suite import Suite, dataset_title

TITLES = {"simclr": "SimCLR", "dcl": "DCL", "dhel-mean": "DHEL mean", "dhel-anchor": "DHEL anchor", "dhel-sum": "DHEL"}


def draw(results: Results) -> Figure:
    datasets = results.datasets_of("trade_off")
    fig, axes = plt.subplots(
        len(datasets),
        3,
        figsize=(style.PAGE, 0.5 + 2 * len(datasets)),
        squeeze=False,
        layout="constrained",
        width_ratios=[1, 1, 0.8],
    )
    points = pd.concat([trade_off.points(results, dataset) for dataset in datasets])
    widths = {weight: 0.6 + 0.6 * rank for rank, weight in enumerate(sorted(points.weight.unique()))}
    claims, statements = results.table("claims"), ledger()["trade_off"]["statements"]
    for (by_alignment, by_accuracy, effects), dataset in zip(axes, datasets, strict=True):
        here = points[points.dataset == dataset]
        for ax, column in ((by_alignment, "z_alignment"), (by_accuracy, "test_accuracy")):
            if here.empty:
                style.not_run(ax)
            for (loss, weight), line in here.groupby(["loss", "weight"], sort=False):
                columns = [column, "z_effective_rank"]
                mean, spread = (line.groupby("temperature")[columns].agg(f).fillna(0) for f in ("mean", "std"))
                look = look_of(loss, results.suite)
                ax.errorbar(
                    mean[column],
                    mean.z_effective_rank,
                    yerr=spread.z_effective_rank,
                    xerr=spread[column],
                    linewidth=widths[weight],
                    elinewidth=0.5,
                    markersize=2 + 1.5 * widths[weight],
                    alpha=0.85,
                    **look,
                )
            ax.set_ylabel("effective rank of z")
        if not here.empty:
            name_temperatures(by_alignment, here)
        title = dataset_title(dataset)
        by_alignment.set(xlabel="alignment  $\\|u - v\\|^2$", title=title)
        by_accuracy.set(xlabel="test accuracy (%)", title=title)
        of_dataset = claims[claims.dataset == dataset]
        evidence = Evidence(results, dataset, ledger())
        for position, statement in enumerate(statements):
            of_settings = getattr(evidence, statement["statistic"])(statement["column"]).mean().dropna()
            effects.plot(of_settings, [position + 0.22] * len(of_settings), "|", color=style.FLOOR_COLOUR, markersize=4)
        forest(effects, [of_dataset[of_dataset.id == s["id"]] for s in statements], [dataset])
        effects.set_yticks(
            range(len(statements)), [s["short"].replace(": ", "\n").replace(" - ", " − ") for s in statements]
        )
        frame(effects, statements[0], support=False)
        effects.set_title("effect on the rank")
    handles = [
        Line2D([], [], label=TITLES.get(loss, loss), markersize=4, **look_of(loss, results.suite))
        for loss in points.loss.unique()
    ]
    handles += [
        Line2D([], [], color=style.FLOOR_COLOUR, marker="o", linewidth=w, markersize=2 + 1.5 * w, label=f"weight {x:g}")
        for x, w in widths.items()
    ]
    handles += [
        Line2D([], [], marker="o", linestyle="", markersize=4, label=verdict, **look)
        for verdict, look in VERDICTS.items()
        if verdict in set(claims[claims.id.isin([s["id"] for s in statements])].verdict)
    ]
    handles.append(Line2D([], [], marker="|", linestyle="", color=style.FLOOR_COLOUR, label="one setting"))
    style.legend(fig, handles, columns=5)
    return fig


def look_of(loss: str, suite: Suite) -> dict[str, Any]:
    return style.look("dhel" if loss == "dhel-sum" else loss, suite)


def name_temperatures(ax: Axes, points: pd.DataFrame) -> None:
    """Beside the points of the largest weight of the first loss."""
    line = points[(points.weight == points.weight.max()) & (points.loss == points.loss.iloc[0])]
    for temperature, (x, y) in line.groupby("temperature")[["z_alignment", "z_effective_rank"]].mean().iterrows():
        ax.annotate(f"τ = {temperature:g}", (x, y), xytext=(7, -9), textcoords="offset points", fontsize="x-small")


if __name__ == "__main__":
    cli.run(lambda: style.main(draw, __doc__))
