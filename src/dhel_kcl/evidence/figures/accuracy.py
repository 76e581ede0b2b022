"""Figure: test accuracy of the linear probe against batch size, at the setting selected on validation.

Mean and standard deviation over seeds; horizontal lines are the floors, and a floor far below is named with its value.

Example:
    python -m dhel_kcl.evidence.figures.accuracy --root . --suite digits --results results/digits --out accuracy
"""

from matplotlib.figure import Figure

from dhel_kcl.evidence.tidy import Results
from dhel_kcl.presentation import style
from dhel_kcl.runtime import cli
from dhel_kcl.study.suite import FLOORS, dataset_title


def draw(results: Results) -> Figure:
    suite, runs, drawn = results.suite, results.selected, set()
    fig, axes = style.panels(len(results.datasets), height=2.6, sharey=False)
    for ax, dataset in zip(axes, results.datasets, strict=True):
        sizes, methods = results.sizes(dataset), results.methods("losses", dataset)
        here = runs[runs.dataset == dataset]
        for position, method in enumerate(methods):
            by_size = here[here.method == method].groupby("batch_size").test_accuracy
            shift = 1.025 ** (position - (len(methods) - 1) / 2)  # side by side, not on top of each other
            x = [size * shift for size in by_size.mean().index]
            look = style.look(method, suite)
            ax.errorbar(x, by_size.mean(), by_size.std().fillna(0), **look, markersize=4, linewidth=1.2, capsize=2)
        trained = here[here.method.isin(methods)].groupby(["method", "batch_size"]).test_accuracy.mean()
        floors = here[here.method.isin(FLOORS)].groupby("method").test_accuracy.mean()
        reach = max(2 * (trained.max() - trained.min()), 2)
        below = floors[floors < trained.min() - reach]
        drawn |= set(floors.drop(below.index).index)
        for floor, value in floors.drop(below.index).items():
            ax.axhline(value, color=style.FLOOR_COLOUR, linestyle=style.FLOOR_LINES[floor], linewidth=1)
        ax.set_xscale("log", base=2)
        ax.set_xlim(min(sizes) / 1.4, max(sizes) * 1.4)
        if len(below):  # room for their names
            bottom, top = ax.get_ylim()
            ax.set_ylim(bottom - 0.1 * len(below) * (top - bottom))
        text = "\n".join(f"below: {suite.title(floor)} {value:.1f} %" for floor, value in below.items())
        ax.text(0.02, 0.03, text, transform=ax.transAxes, color=style.FLOOR_COLOUR, fontsize="x-small")
        ax.set_xticks(sizes, [str(size) for size in sizes])
        ax.minorticks_off()
        ax.set(xlabel="batch size M", title=dataset_title(dataset))
        if trained.empty:
            style.not_run(ax)
    axes[0].set_ylabel("test accuracy (%)")
    handles = [style.handle(m, suite) for m in results.methods("losses")] + [
        style.floor_handle(f, suite) for f in FLOORS if f in drawn
    ]
    style.legend(fig, handles, columns=2 if len(axes) == 1 else 5)
    return fig


if __name__ == "__main__":
    cli.run(lambda: style.main(draw, __doc__))
