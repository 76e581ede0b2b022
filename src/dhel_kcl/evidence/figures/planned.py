"""The planned comparisons of a confirmatory suite, those of its statements that were not declared exploratory."""

from matplotlib.figure import Figure

from dhel_kcl.evidence.figures.claims import blocks_of, drawn
from dhel_kcl.evidence.tidy import Results
from dhel_kcl.presentation.verdict_words import CONFIRMATORY


def draw(results: Results) -> Figure:
    blocks = [block for block in blocks_of(results) if block[0].kind == CONFIRMATORY]
    return drawn(results, blocks, "The planned comparisons: differences, 95 % intervals, corrected verdicts")
