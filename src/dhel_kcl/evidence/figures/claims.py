"""Every statement of the claims ledger as a forest plot, one panel a statement, one row a pair of losses."""

from typing import Any

from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from dhel_kcl.evidence import ledger
from dhel_kcl.evidence.figures.forest import MARKERS, forest, frame, verdict_handles
from dhel_kcl.evidence.tidy import Results, where
from dhel_kcl.presentation import style
from dhel_kcl.study.suite import dataset_title

COLUMNS = 4


def draw(results: Results) -> Figure:
    suite, table = results.suite, results.table("claims")
    statements = ledger.read().of_pairs
    pairs = [pair for pair in ledger.read().pairs if pair.within(suite.methods)]
    labels = [f"{suite.title(pair.of)} − {suite.title(pair.against)}" for pair in pairs]
    rows = -(-len(statements) // COLUMNS)
    height = 0.8 + rows * (0.55 + max(len(pairs), 1) * (0.08 + 0.1 * len(results.datasets)))
    fig, axes = style.grid(rows, COLUMNS, (style.PAGE, height))
    for ax in axes.flat[len(statements) :]:
        ax.set_axis_off()
    for position, (ax, statement) in enumerate(zip(axes.flat, statements, strict=False)):
        here = where(table, id=statement.id)
        forest(ax, [where(here, of=pair.of, against=pair.against) for pair in pairs], results.datasets)
        ax.set_yticks(range(len(pairs)), labels if position % COLUMNS == 0 else [""] * len(pairs))
        frame(ax, statement)
        ax.set_title(f"{statement.claim}\n{statement.short}", fontsize="small")
    shown = table[table.id.isin([statement.id for statement in statements])]
    style.legend(fig, handles(set(shown.verdict), results.datasets), columns=4)
    return fig


def handles(verdicts: set[str], datasets: list[str]) -> list[Artist]:
    found: list[Artist] = [*verdict_handles(verdicts), Patch(color="#E8E8E8", label="within the margin")]
    if len(datasets) > 1:
        marks = zip(map(dataset_title, datasets), MARKERS, strict=False)
        look: dict[str, Any] = {"linestyle": "", "markersize": 4, "color": "black"}
        found += [Line2D([], [], marker=marker, label=title, **look) for title, marker in marks]
    return found
