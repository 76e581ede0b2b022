"""A statement about what an experiment measured, and whether it holds."""

import operator
from dataclasses import dataclass

from dhel_kcl.presentation.verdict_words import CONTRADICTED, SUPPORTED

RELATIONS = {"<": operator.lt, "<=": operator.le, "=": operator.eq, ">": operator.gt}


@dataclass(frozen=True)
class Verdict:
    """A statement, the claim it belongs to, what was measured, what it had to be, and whether it was."""

    claim: str
    statement: str
    measured: float
    threshold: str
    verdict: str


def verdict(claim: str, statement: str, measured: float, relation: str, bound: float, unit: str = "") -> Verdict:
    """Whether what was measured is in a relation of `RELATIONS` to a bound; the unit is that of both."""
    holds = RELATIONS[relation](measured, bound)
    threshold = f"{relation} {bound:g} {unit}".rstrip()
    return Verdict(claim, statement, float(measured), threshold, SUPPORTED if holds else CONTRADICTED)
