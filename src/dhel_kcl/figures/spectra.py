"""Figure: singular values of the test embeddings z, divided by the largest, mean over seeds.

The slower the fall, the more dimensions are used; equal values (the dotted line at 1) would be no collapse at all.

Example:
    python -m dhel_kcl.figures.spectra --root . --suite digits --results results/digits --out spectra
"""

from matplotlib.figure import Figure

from dhel_kcl import cli
from dhel_kcl.figures import style
from dhel_kcl.results import Results


def draw(results: Results) -> Figure:
    suite, sizes = results.suite, results.suite.config["batch_sizes"]
    spectra = results.table("spectra")
    spectra = spectra[spectra.space == "z"]
    methods = results.methods("losses")
    cells = [(dataset, size) for dataset in suite.datasets for size in sizes]
    fig, axes = style.panels(len(cells))
    for ax, (dataset, size) in zip(axes, cells, strict=True):
        here = spectra[spectra.dataset == dataset]
        for method in methods:
            line = here[(here.method == method) & (here.batch_size == size)]
            ax.plot(
                line["index"], line["mean"], **style.look(method, suite), markevery=8, markersize=3.5, linewidth=1.2
            )
        random = here[here.method == "random"]
        ax.plot(random["index"], random["mean"], color=style.FLOOR_COLOUR, linestyle=style.FLOOR_LINES["random"], lw=1)
        ax.axhline(1, color="black", linestyle=":", linewidth=0.6)
        ax.set_yscale("log")
        ax.set(title=f"{dataset}, M = {size}", xlabel="index")
    axes[0].set_ylabel("singular value / largest")
    style.legend(fig, [style.handle(m, suite) for m in methods] + [style.floor_handle("random", suite)], columns=6)
    return fig


if __name__ == "__main__":
    cli.run(lambda: style.main(draw, __doc__))
