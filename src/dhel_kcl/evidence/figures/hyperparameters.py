"""Figure: test accuracy at every point of the hyperparameter grid (one seed), the selected point filled.

The selection read validation accuracy only, so the filled point need not be the highest. Bars are means over the grid.

Example:
    python -m dhel_kcl.evidence.figures.hyperparameters --root . --suite digits --results results/digits --out hyperparameters
"""

from matplotlib.figure import Figure

from dhel_kcl.evidence.tidy import Results
from dhel_kcl.presentation import style
from dhel_kcl.runtime import cli
from dhel_kcl.study.suite import Suite, parameters


def draw(results: Results) -> Figure:
    suite, grid = results.suite, results.runs[results.runs.role == "grid"]
    fig, axes = style.cells(results, "", "test accuracy (%)")
    for (dataset, size), ax in axes.items():
        methods = results.methods("losses", dataset)
        if grid[(grid.dataset == dataset) & (grid.batch_size == size) & grid.method.isin(methods)].empty:
            style.not_run(ax)
        for position, method in enumerate(methods):
            look = style.look(method, suite)
            points = grid[(grid.dataset == dataset) & (grid.method == method) & (grid.batch_size == size)]
            if points.empty:
                continue
            mean = points.test_accuracy.mean()
            ax.hlines(mean, position - 0.35, position + 0.35, color=look["color"], linewidth=1.6)
            asked = [parameters(run.loss) for run in suite.candidates(dataset, method, size)]
            places = [asked.index(said) for said in points.parameters.fillna("")]
            spread = [position + 0.5 * ((place + 0.5) / len(asked) - 0.5) for place in places]
            ax.vlines(
                position, points.test_accuracy.min(), points.test_accuracy.max(), color=look["color"], linewidth=0.8
            )
            for x, accuracy, selected in zip(spread, points.test_accuracy, points.selected, strict=True):
                face = look["color"] if selected else "white"
                ax.plot(x, accuracy, marker=look["marker"], markersize=4.5, color=look["color"], markerfacecolor=face)
        ax.set_xticks(range(len(methods)), [varied(suite, dataset, method, size) for method in methods], fontsize=6)
        ax.set_xlim(-0.6, len(methods) - 0.4)
    handles = [style.handle(method, suite, linestyle="") for method in results.methods("losses")]
    handles.append(style.selected_handle())
    style.legend(fig, handles, columns=6)
    return fig


def varied(suite: Suite, dataset: str, method: str, size: int) -> str:
    """What the points differ in, from left to right: "τ", and the values in a column."""
    losses = [run.loss for run in suite.candidates(dataset, method, size)]
    keys = [key for key in losses[0] if len({loss[key] for loss in losses}) > 1]
    names = {"temperature": "τ", "energy_weight": "w"}
    values = ["/".join(v[k] if isinstance(v[k], str) else f"{v[k]:g}" for k in keys) for v in losses]
    return "\n".join([", ".join(names.get(key, key) for key in keys), *values])


if __name__ == "__main__":
    cli.run(lambda: style.main(draw, __doc__))
