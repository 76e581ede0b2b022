"""What the ledger says besides verdicts: of differences that count as none, and of losses that a suite lacks."""

from dhel_kcl.presentation.verdict_words import CONTRADICTED, NOT_DISTINGUISHABLE, SUPPORTED

WITHIN_THE_MARGIN = "within the margin"
NOT_IN_THIS_SUITE = "not in this suite"


def within_the_margin(verdict: str, equivalent: bool) -> bool:
    """Whether results that were judged, and agree, exclude a difference as large as the margin.

    equivalent: the column of claims.csv.
    """
    return bool(equivalent) and verdict in (SUPPORTED, CONTRADICTED, NOT_DISTINGUISHABLE)


def said(verdict: str, equivalent: bool) -> str:
    """A verdict in words: "supported, within the margin"."""
    return f"{verdict}, {WITHIN_THE_MARGIN}" if within_the_margin(verdict, equivalent) else verdict
