"""Figure: singular values of the test embeddings z, divided by the largest, mean over seeds.

Shaded: one standard deviation. The slower the fall, the more dimensions are used; equal values (the dotted line at 1)
would be no collapse at all.

Example:
    python -m dhel_kcl.evidence.figures.spectra --root . --suite digits --results results/digits --out spectra
"""

from matplotlib.figure import Figure

from dhel_kcl.evidence.tidy import Results
from dhel_kcl.presentation import style
from dhel_kcl.runtime import cli

LEAST = 1e-4
"""Where the panels end: smaller singular values are those of a collapsed encoder."""


def draw(results: Results) -> Figure:
    suite, spectra = results.suite, results.table("spectra")
    spectra = spectra[spectra.space == "z"]
    fig, axes = style.cells(results, "index", "singular value\n/ largest")
    for (dataset, size), ax in axes.items():
        methods = results.methods("losses", dataset)
        here = spectra[spectra.dataset == dataset]
        if here[here.method.isin(methods) & (here.batch_size == size)].empty:
            style.not_run(ax)
            continue
        for method in methods:
            line = here[(here.method == method) & (here.batch_size == size)]
            style.curve(ax, line["index"], line["mean"], line["std"], every=8, **style.look(method, suite))
        random = here[here.method == "random"]
        ax.plot(random["index"], random["mean"], color=style.FLOOR_COLOUR, linestyle=style.FLOOR_LINES["random"], lw=1)
        ax.axhline(1, color="black", linestyle=":", linewidth=0.6)
        ax.set_yscale("log")
        ax.set_ylim(bottom=LEAST)
    handles = [style.handle(m, suite) for m in results.methods("losses")] + [style.floor_handle("random", suite)]
    style.legend(fig, handles, columns=6)
    return fig


if __name__ == "__main__":
    cli.run(lambda: style.main(draw, __doc__))
