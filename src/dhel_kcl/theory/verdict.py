"""A statement about what an experiment measured, and whether it holds."""

from dataclasses import dataclass

from dhel_kcl.presentation.verdict_words import CONTRADICTED, SUPPORTED


@dataclass(frozen=True)
class Verdict:
    """A statement, the claim it belongs to, what was measured, what it had to be, and whether it was."""

    claim: str
    statement: str
    measured: float
    threshold: str
    verdict: str


def verdict(claim: str, statement: str, measured: float, threshold: str, holds: bool) -> Verdict:
    return Verdict(claim, statement, float(measured), threshold, SUPPORTED if holds else CONTRADICTED)
