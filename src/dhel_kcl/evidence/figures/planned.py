"""The planned comparisons of a confirmatory suite, those of its statements that were not declared exploratory."""

import pandas as pd
from matplotlib.figure import Figure

from dhel_kcl.evidence.figures.claims import blocks_of, drawn
from dhel_kcl.evidence.tables.claims import VERDICTS, asked
from dhel_kcl.evidence.tidy import Results
from dhel_kcl.presentation.verdict_words import CONFIRMATORY


def draw(results: Results) -> Figure:
    blocks = [block for block in blocks_of(results) if block[0].kind == CONFIRMATORY]
    claims = asked(results)
    return drawn(results, blocks, title(claims[claims.id.isin([statement.id for statement, _ in blocks])]))


def title(claims: pd.DataFrame) -> str:
    """ "18 planned comparisons: 3 supported, 6 contradicted, 3 mixed, 6 not distinguishable"."""
    counts = {verdict: (claims.verdict == verdict).sum() for verdict in VERDICTS}
    return f"{len(claims)} planned comparisons: " + ", ".join(f"{n} {verdict}" for verdict, n in counts.items() if n)
