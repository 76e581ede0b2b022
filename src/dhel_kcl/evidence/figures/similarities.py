"""Density of the dot products of pairs of test embeddings z against that of uniform points (black).

Means over seeds; shaded, one standard deviation. The area between the two distribution functions is
the Wasserstein uniformity.
"""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dhel_kcl.evidence.figures import panels
from dhel_kcl.evidence.tidy import Results, where
from dhel_kcl.geometry import sphere
from dhel_kcl.presentation import style

TITLE = "How uniform the embeddings z are: similarities of pairs of test images, by loss"
UNIFORM: dict[str, Any] = {"color": "black", "linestyle": "--", "linewidth": 1}


def draw(results: Results) -> Figure:
    suite, histograms = results.suite, where(results.judged("similarities"), space="z")
    s = np.linspace(-1, 1, 801)
    title = f"{TITLE} {panels.over_seeds(results, 'shaded')}"
    fig, axes = panels.grid(results, panels.cells(results), title, "dot product of a pair", "density")
    for (dataset, size), ax in axes.items():
        methods, width = results.methods("losses", dataset), 2 / results.settings(dataset).probe.histogram_bins
        here = where(histograms, dataset=dataset, batch_size=size)
        if here[here.method.isin(methods)].empty:
            style.not_run(ax)
        for method in methods:
            line, look = where(here, method=method), panels.look(method, suite)
            style.curve(ax, line.similarity + width / 2, line["mean"], line["std"], every=8, **look)
        ax.plot(s, sphere.dot_product_pdf(s, suite.config_of(dataset).projector_dim), **UNIFORM)
        ax.set_xlim(-0.8, 1)
    panels.number_rows(axes)
    style.legend(fig, [*panels.loss_handles(results), Line2D([], [], label="uniform", **UNIFORM)], columns=6)
    return fig
