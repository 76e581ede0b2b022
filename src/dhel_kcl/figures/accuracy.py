"""Figure: test accuracy of the linear probe against batch size, at the setting selected on validation.

Mean and standard deviation over seeds; horizontal lines are the floors.

Example:
    python -m dhel_kcl.figures.accuracy --root . --suite digits --results results/digits --out accuracy
"""

from matplotlib.figure import Figure

from dhel_kcl import cli
from dhel_kcl.figures import style
from dhel_kcl.results import Results
from dhel_kcl.suite import FLOORS


def draw(results: Results) -> Figure:
    suite, runs, sizes = results.suite, results.selected, results.suite.config["batch_sizes"]
    methods = results.methods("losses")
    fig, axes = style.panels(len(suite.datasets), height=2.6, sharey=False)
    for ax, dataset in zip(axes, suite.datasets, strict=True):
        here = runs[runs.dataset == dataset]
        for position, method in enumerate(methods):
            by_size = here[here.method == method].groupby("batch_size").test_accuracy
            shift = 1.025 ** (position - (len(methods) - 1) / 2)  # side by side, not on top of each other
            x = [size * shift for size in by_size.mean().index]
            look = style.look(method, suite)
            ax.errorbar(x, by_size.mean(), by_size.std().fillna(0), **look, markersize=4, linewidth=1.2, capsize=2)
        for floor in FLOORS:
            value = here[here.method == floor].test_accuracy.mean()
            ax.axhline(value, color=style.FLOOR_COLOUR, linestyle=style.FLOOR_LINES[floor], linewidth=1)
        ax.set_xscale("log", base=2)
        ax.set_xticks(sizes, [str(size) for size in sizes])
        ax.set(xlabel="batch size M", ylabel="test accuracy (%)", title=dataset)
    handles = [style.handle(m, suite) for m in methods] + [style.floor_handle(floor, suite) for floor in FLOORS]
    style.legend(fig, handles, columns=3 if len(axes) == 1 else 8)
    return fig


if __name__ == "__main__":
    cli.run(lambda: style.main(draw, __doc__))
