"""Every statement of the claims ledger that a suite has: the effect with its interval, in a row of words.

Data sets lie side by side, effects of one unit above each other on one axis. Colour and marker are those of the loss
that a statement is on, the filling says the verdict; of causes, at equal learning rates and with each side at its best.
"""

from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dhel_kcl.evidence import ledger, scope
from dhel_kcl.evidence.dataset_runs import Pair
from dhel_kcl.evidence.figures import forest, panels
from dhel_kcl.evidence.figures.forest import Effect
from dhel_kcl.evidence.ledger import Statement
from dhel_kcl.evidence.tidy import Results, where
from dhel_kcl.evidence.wording import said, signed
from dhel_kcl.presentation import style
from dhel_kcl.presentation.claim_names import heading
from dhel_kcl.presentation.verdict_words import EXPLORATORY, MIXED
from dhel_kcl.study.suite import dataset_title


@dataclass(frozen=True)
class Line:
    """What stands in a line: words, and the columns of claims.csv whose names begin with `prefix`."""

    label: str
    pair: Pair
    look: dict[str, Any]
    prefix: str = ""

    @property
    def of_cause(self) -> bool:
        return self.pair == Pair()

    def draw(self, ax: Axes, line: int, row: Any, spoken: bool) -> None:
        """The effect of a row of claims.csv, in words too if `spoken`: with its verdict, but for causes, whose two
        effects share one.

        Of parts on both sides of the threshold each is drawn, since their mean would look like no difference.
        """
        value, low, high = (getattr(row, f"{self.prefix}{name}") for name in ("estimate", "low", "high"))
        if pd.isna(value):
            forest.say_why_empty(ax, line, row.verdict)
            return
        effect = Effect(value, low, high, self.look | forest.FILLINGS[row.verdict])
        parts = values_of(getattr(row, f"{self.prefix}components")) if row.verdict == MIXED else {}
        apart = bool(parts) and min(parts.values()) < row.threshold < max(parts.values())
        if apart:
            forest.draw_parts(ax, line, list(parts.values()), effect.look)
        else:
            effect.draw(ax, line)
        if spoken:
            verdict, short = said(row.verdict, row.equivalent), apart and len(parts) == 2
            words = at_each(parts) if short else effect.words
            told = f"{verdict}: {words}" if short else f"{words}  {verdict}"
            forest.beside(ax, line, words if self.of_cause else told)


def values_of(components: str) -> dict[str, float]:
    """At each batch size or setting, from the column of claims.csv: "M = 64: +1.05 (+0.18 to +1.92); ..."."""
    parts = [part.split(": ") for part in components.split("; ") if part]
    return {name: float(effect.split()[0]) for name, effect in parts}


def at_each(parts: dict[str, float]) -> str:
    """ "+1.1 at M = 64, −1.1 at M = 256"."""
    return ", ".join(f"{signed(value, 1)} at {name}" for name, value in parts.items()).replace("-", "−")


Block = tuple[Statement, list[Line]]
"""A statement and the lines below its heading."""


def draw(results: Results) -> Figure:
    title = "What the results say on each statement: differences with 95 % intervals over seeds"
    return drawn(results, results.datasets, blocks_of(results), title)


def drawn(results: Results, datasets: list[str], blocks: list[Block], title: str) -> Figure:
    """A figure of these statements on these data sets."""
    units = list(dict.fromkeys(statement.unit for statement, _ in blocks))
    of_unit = {unit: [block for block in blocks if block[0].unit == unit] for unit in units}
    lines = [sum(1 + len(rows) for _, rows in found) for found in of_unit.values()]
    table = scope.asked_rows(results.suite, results.table("claims"))
    table = table[table.dataset.isin(datasets)]
    fig, axes = style.grid(
        max(len(units), 1),
        len(datasets),
        (style.PAGE, 1.1 + 0.5 * len(units) + forest.LINE * sum(lines)),
        title,
        height_ratios=lines or None,
        sharex="row",
        sharey="row",
    )
    for row, found in zip(axes, of_unit.values(), strict=False):
        for ax, dataset in zip(row, datasets, strict=True):
            draw_blocks(ax, found, where(table, dataset=dataset), named=ax is row[0], spoken=len(datasets) == 1)
        line = 0
        for statement, lines_below in found:
            if words := beside_heading(where(table, id=statement.id), spoken=len(datasets) == 1):
                forest.beside(row[-1], line, words)
            line += 1 + len(lines_below)
        row[-1].set_xlabel(
            forest.unit([statement for statement, _ in found]), loc="right" if len(row) > 1 else "center"
        )
    for ax, dataset in zip(axes[0], datasets, strict=True):
        if not blocks:
            style.words(ax, "no statement on\nthe losses of this suite")
        ax.set_title(panels.heading(results.suite, dataset))
    shown = table[table.id.isin([statement.id for statement, _ in blocks])]
    style.legend(fig, [*looks(blocks), *forest.handles(set(shown.verdict))], columns=4)
    return fig


def blocks_of(results: Results) -> list[Block]:
    """What the suite can say something on, be its seeds few or its grids unequal: pairs of its losses, and causes."""
    suite, book, found = results.suite, ledger.read(), []
    table = scope.asked_rows(suite, results.table("claims"))

    def asked(statement: Statement, pair: Pair) -> bool:
        return len(of_pair(where(table, id=statement.id), pair)) > 0

    for statement in book.of_pairs:
        rows = [
            Line(f"{suite.title(pair.of)} − {suite.title(pair.against)}", pair, panels.look(pair.of, suite))
            for pair in book.pairs
            if asked(statement, pair)
        ]
        found += [(statement, rows)] * bool(rows)
    both = [Line("equal learning rates", Pair(), forest.EQUAL_RATES)]
    both.append(Line("each at its best rate", Pair(), forest.RETUNED, "retuned_"))
    found += [(statement, both) for statement in book.of_causes if asked(statement, Pair())]
    return found


def beside_heading(claims: pd.DataFrame, spoken: bool) -> str:
    """What stands behind a statement's heading, by its verdicts on the data sets: the verdict on a cause, which its two
    effects share, if `spoken`; and where it is exploratory."""
    causes = claims[(claims.of == "") & claims.estimate.notna()]
    words = [said(row.verdict, row.equivalent) for row in causes.itertuples() if spoken]
    exploratory = claims[claims.status == EXPLORATORY]
    if len(exploratory) == len(claims):
        words.append(EXPLORATORY)
    elif len(exploratory):
        there = exploratory.dataset.unique()
        whole = len(exploratory) == claims.dataset.isin(there).sum()
        on = f"{EXPLORATORY} on {', '.join(map(dataset_title, there))}"
        words.append(on if whole else f"{len(exploratory)} of {len(claims)} {EXPLORATORY}")
    return ", ".join(words)


def of_pair(claims: pd.DataFrame, pair: Pair) -> pd.DataFrame:
    return where(claims, of=pair.of, against=pair.against)


def draw_blocks(ax: Axes, blocks: list[Block], claims: pd.DataFrame, named: bool, spoken: bool) -> None:
    """Statements of one unit on one data set. named: with words before the lines, which panels share."""
    forest.margins(ax, [(statement, 1 + len(rows)) for statement, rows in blocks])
    labels: list[str] = []
    headings = []
    for statement, rows in blocks:
        headings.append(len(labels))
        here, number = where(claims, id=statement.id), "" if rows[0].of_cause else f"{statement.claim}: "
        labels.append(number + heading(statement.id, statement.short))
        for row in rows:
            # None where the data set has no such losses, or no causes.
            for found in of_pair(here, row.pair).itertuples():
                row.draw(ax, len(labels), found, spoken)
            labels.append(row.label)
    if named:
        forest.name_lines(ax, labels, headings)


def looks(blocks: list[Block]) -> list[Artist]:
    """Legend entries of the two ways to set learning rates; losses stand in words before their lines."""
    rows = {row.label: row.look for statement, found in blocks for row in found if row.of_cause}
    return [forest.handle(look, label) for label, look in rows.items()]
