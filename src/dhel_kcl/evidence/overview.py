"""What was found, at a glance: README's words, how many statements have which verdict, a grid of them by data set.

For the report's opening page; nothing that is versioned depends on it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape

import pandas as pd

from dhel_kcl.evidence import ledger, scope
from dhel_kcl.evidence.ledger import Statement
from dhel_kcl.evidence.tables.claims import VERDICTS
from dhel_kcl.evidence.tidy import where
from dhel_kcl.evidence.wording import WITHIN_THE_MARGIN, said, signed, within_the_margin
from dhel_kcl.presentation.claim_names import heading, with_number
from dhel_kcl.presentation.verdict_words import (
    CONFIRMATORY,
    EXPLORATORY,
    NOT_RUN,
)
from dhel_kcl.study.suite import Suite, dataset_title

NOT_ASKED = "–"


@dataclass(frozen=True)
class Column:
    """A suite on a data set.

    claims: the suite's claims.csv, None before it was run. link: to all of them.
    """

    suite: Suite
    dataset: str
    claims: pd.DataFrame | None
    link: str = ""

    @property
    def heading(self) -> str:
        planned = self.suite.config_of(self.dataset).confirmatory
        return f"{dataset_title(self.dataset)} ({self.suite.name}{'' if planned else ', exploratory'})"

    @cached_property
    def rows(self) -> pd.DataFrame:
        """Of the claims, those that are asked here."""
        assert self.claims is not None
        return where(scope.asked_rows(self.suite, self.claims), dataset=self.dataset)

    def cell(self, statement: Statement) -> str:
        """Verdicts with their number, if there are several, and the effects: of causes at equal and at best rates."""
        asked = (
            {key[0] for key in scope.asked_on(self.suite, self.dataset)} if self.claims is None else set(self.rows.id)
        )
        if statement.id not in asked:
            return NOT_ASKED
        if self.claims is None:
            return NOT_RUN
        here = where(self.rows, id=statement.id)
        known = pd.concat([here.estimate, here.retuned_estimate]).dropna()
        if known.empty:
            return NOT_RUN
        words = escape(counted(here) + self._unplanned(here))
        linked = f'<a href="{escape(self.link)}">{words}</a>' if self.link else words
        return f"{linked}<br>{effects(known)} {escape(statement.unit)}"

    def _unplanned(self, claims: pd.DataFrame) -> str:
        """How many of some claims are exploratory in a suite that was planned; the heading says it of others."""
        count = (claims.status == EXPLORATORY).sum() if self.suite.config_of(self.dataset).confirmatory else 0
        return f" ({EXPLORATORY if count == len(claims) else f'{count} {EXPLORATORY}'})" * bool(count)


def columns(suite: Suite, claims: pd.DataFrame | None, link: str = "") -> list[Column]:
    return [Column(suite, dataset, claims, link) for dataset in suite.datasets]


def counted(claims: pd.DataFrame) -> str:
    """ "4 supported (1 within the margin), 2 not distinguishable"; "supported, within the margin" of one."""
    if len(claims) == 1:
        return said(claims.verdict.iloc[0], claims.equivalent.iloc[0])
    parts = []
    for verdict in VERDICTS:
        here = claims[claims.verdict == verdict]
        small = sum(map(within_the_margin, here.verdict, here.equivalent))
        if len(here):
            parts.append(f"{len(here)} {verdict}" + f" ({small} {WITHIN_THE_MARGIN})" * bool(small))
    return ", ".join(parts)


def effects(values: pd.Series) -> str:
    """ "+0.3 to +1.5"."""
    texts = dict.fromkeys(signed(end, 1).replace("-", "−") for end in (values.min(), values.max()))
    return " to ".join(texts)


def finding(suite: Suite, claims: pd.DataFrame, figure: str = "claims") -> str:
    """A sentence on the statements that a figure of a suite shows: how many have which verdict, of planned and other
    ones apart."""
    book = ledger.read()
    of_figure = {"planned": [each for each in book.statements if each.kind == CONFIRMATORY], "causes": book.of_causes}
    shown = [statement.id for statement in of_figure.get(figure, book.statements)]
    asked, parts = scope.asked_rows(suite, claims[claims.id.isin(shown)]), []
    for status in (CONFIRMATORY, EXPLORATORY):
        here = where(asked, status=status)
        if len(here):
            parts.append(f"of {len(here)} {status} statements {counted(here)}")
    return f"{'; '.join(parts)}." if parts else "judges no claim."


def what_was_found(readme: str) -> str:
    """The list under README's heading "What was found" as reStructuredText: without links and pictures.

    Raises ValueError if the text has no such list.
    """
    _, _, after = readme.partition("\n## What was found\n")
    found = re.match(r"\s*(1\. .*?)\n\n(?! |\d)", after, re.DOTALL)
    if not found:
        raise ValueError('README.md has no numbered list under "## What was found", with which the report opens')
    return re.sub(r"`([^`]+)`", r"``\1``", re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", found[1]))


def grid(found: Sequence[Column]) -> str:
    """An HTML table: statements by suite and data set, without those that nobody asks and those that ask nothing."""
    statements = ledger.read().statements
    found = [column for column in found if {column.cell(statement) for statement in statements} != {NOT_ASKED}]
    heads = "".join(f"<th>{escape(column.heading)}</th>" for column in found)
    rows = []
    for statement in statements:
        cells = [column.cell(statement) for column in found]
        if set(cells) != {NOT_ASKED}:
            named = map(escape, (with_number(statement.claim), heading(statement.id, statement.short)))
            rows.append(f"<tr>{''.join(f'<td>{cell}</td>' for cell in (*named, *cells))}</tr>")
    head = f"<thead><tr><th>claim</th><th>statement</th>{heads}</tr></thead>"
    return f'<div class="wide"><table class="by-claim">{head}<tbody>{"".join(rows)}</tbody></table></div>'
