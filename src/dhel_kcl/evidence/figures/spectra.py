"""Singular values of the test embeddings z, divided by the largest, mean over seeds.

Shaded: one standard deviation. The slower the fall, the more dimensions are used; equal values (the dotted line at 1)
would be no collapse at all.
"""

from matplotlib.figure import Figure

from dhel_kcl.evidence.figures import panels
from dhel_kcl.evidence.tidy import Results, where
from dhel_kcl.presentation import style

TITLE = "How many dimensions the embeddings z use: singular values by loss"
LEAST = 1e-4
"""Where the panels end: smaller singular values are those of a collapsed encoder."""


def draw(results: Results) -> Figure:
    suite, spectra = results.suite, where(results.judged("spectra"), space="z")
    title = f"{TITLE} {panels.over_seeds(results, 'shaded')}"
    fig, axes = panels.grid(results, panels.cells(results), title, "index", "singular value\n/ largest")
    for (dataset, size), ax in axes.items():
        methods, here = results.methods("losses", dataset), where(spectra, dataset=dataset)
        of_losses = where(here[here.method.isin(methods)], batch_size=size)
        if of_losses.empty:
            style.not_run(ax)
            continue
        for method in methods:
            line = where(of_losses, method=method)
            style.curve(ax, line["index"], line["mean"], line["std"], every=8, **panels.look(method, suite))
        floor = where(here, method="random")
        ax.plot(floor["index"], floor["mean"], color=style.GREY, linestyle=panels.FLOOR_LINES["random"], lw=1)
        ax.axhline(1, color="black", linestyle=":", linewidth=0.6)
        ax.set_yscale("log")
        ax.set_ylim(bottom=LEAST)
        style.plain(ax.yaxis)
    panels.number_rows(axes)
    floors = [] if where(spectra, method="random").empty else [panels.floor_handle("random", suite)]
    style.legend(fig, panels.loss_handles(results) + floors, columns=6)
    return fig
