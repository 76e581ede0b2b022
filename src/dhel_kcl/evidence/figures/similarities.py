"""Figure: density of the dot products of pairs of test embeddings z against that of uniform points (black).

Means over seeds; shaded, one standard deviation. The area between the two distribution functions is
the Wasserstein uniformity.

Example:
    python -m dhel_kcl.evidence.figures.similarities --root . --suite digits --results results/digits --out similarities
"""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dhel_kcl.evidence.tidy import Results
from dhel_kcl.geometry import sphere
from dhel_kcl.presentation import style
from dhel_kcl.runtime import cli


def draw(results: Results) -> Figure:
    suite, histograms = results.suite, results.table("similarities")
    histograms = histograms[histograms.space == "z"]
    s = np.linspace(-1, 1, 801)
    ideal = sphere.dot_product_pdf(s, suite.config.projector_dim)
    fig, axes = style.cells(results, "dot product of a pair", "density")
    for (dataset, size), ax in axes.items():
        methods, width = results.methods("losses", dataset), 2 / results.settings(dataset).probe.histogram_bins
        here = histograms[(histograms.dataset == dataset) & (histograms.batch_size == size)]
        if here[here.method.isin(methods)].empty:
            style.not_run(ax)
        for method in methods:
            line = here[here.method == method]
            look = style.look(method, suite)
            style.curve(ax, line.similarity + width / 2, line["mean"], line["std"], every=8, **look)
        ax.plot(s, ideal, color="black", linestyle="--", linewidth=1)
        ax.set_xlim(-0.8, 1)
    ideal_handle = Line2D([], [], color="black", linestyle="--", linewidth=1, label="uniform")
    style.legend(fig, [*[style.handle(m, suite) for m in results.methods("losses")], ideal_handle], columns=6)
    return fig


if __name__ == "__main__":
    cli.run(lambda: style.main(draw, __doc__))
