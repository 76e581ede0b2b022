"""Figure: density of the dot products of pairs of test embeddings z against that of uniform points (black).

Mean over seeds. The area between the two distribution functions is the Wasserstein uniformity.

Example:
    python -m dhel_kcl.figures.similarities --root . --suite digits --results results/digits --out similarities
"""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dhel_kcl import cli, sphere
from dhel_kcl.figures import style
from dhel_kcl.results import Results


def draw(results: Results) -> Figure:
    suite, sizes = results.suite, results.suite.config["batch_sizes"]
    histograms = results.table("similarities")
    histograms = histograms[histograms.space == "z"]
    methods = results.methods("losses")
    cells = [(dataset, size) for dataset in suite.datasets for size in sizes]
    width = 2 / suite.config["probe"]["histogram_bins"]
    s = np.linspace(-1, 1, 801)
    ideal = sphere.dot_product_pdf(s, suite.config["projector_dim"])
    fig, axes = style.panels(len(cells))
    for ax, (dataset, size) in zip(axes, cells, strict=True):
        here = histograms[(histograms.dataset == dataset) & (histograms.batch_size == size)]
        for method in methods:
            line = here[here.method == method]
            look = style.look(method, suite)
            ax.plot(line.similarity + width / 2, line["mean"], **look, markevery=8, markersize=3.5, linewidth=1.2)
        ax.plot(s, ideal, color="black", linestyle="--", linewidth=1)
        ax.set(title=f"{dataset}, M = {size}", xlabel="dot product of a pair", xlim=(-0.8, 1))
    axes[0].set_ylabel("density")
    ideal_handle = Line2D([], [], color="black", linestyle="--", linewidth=1, label="uniform")
    style.legend(fig, [*[style.handle(method, suite) for method in methods], ideal_handle], columns=6)
    return fig


if __name__ == "__main__":
    cli.run(lambda: style.main(draw, __doc__))
