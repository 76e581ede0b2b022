"""The planned comparisons of a confirmatory suite, those of its statements that were not declared exploratory."""

import pandas as pd
from matplotlib.figure import Figure

from dhel_kcl.evidence.dataset_runs import Pair
from dhel_kcl.evidence.figures.claims import blocks_of, drawn
from dhel_kcl.evidence.tables.claims import VERDICTS, asked
from dhel_kcl.evidence.tidy import Results
from dhel_kcl.presentation.verdict_words import CONFIRMATORY


def draw(results: Results) -> Figure:
    datasets = [dataset for dataset in results.datasets if results.suite.config_of(dataset).confirmatory]
    blocks = [block for block in blocks_of(results) if block[0].kind == CONFIRMATORY]
    drawn_pairs = {(statement.id, line.pair) for statement, lines in blocks for line in lines}
    claims = asked(results)
    claims = claims[claims.dataset.isin(datasets)]
    planned = [(row.id, Pair(row.of, row.against)) in drawn_pairs for row in claims.itertuples()]
    return drawn(results, datasets, blocks, title(claims.loc[planned]))


def title(claims: pd.DataFrame) -> str:
    """ "18 planned comparisons: 3 supported, 6 contradicted, 3 mixed, 6 not distinguishable"."""
    counts = {verdict: (claims.verdict == verdict).sum() for verdict in VERDICTS}
    found = ", ".join(f"{n} {verdict}" for verdict, n in counts.items() if n)
    return f"{len(claims)} planned comparisons: {found}" if found else "No planned comparison"
