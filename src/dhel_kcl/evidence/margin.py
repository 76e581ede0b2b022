"""Differences that count as none, and how that is said beside a verdict."""

from dhel_kcl.presentation.verdict_words import CONTRADICTED, NOT_DISTINGUISHABLE, SUPPORTED

WITHIN_THE_MARGIN = "within the margin"


def within_the_margin(verdict: str, equivalent: bool) -> bool:
    """Whether results that were judged, and agree, exclude a difference as large as the margin.

    equivalent: the column of claims.csv.
    """
    return bool(equivalent) and verdict in (SUPPORTED, CONTRADICTED, NOT_DISTINGUISHABLE)


def said(verdict: str, equivalent: bool) -> str:
    """A verdict in words: "supported, within the margin"."""
    return f"{verdict}, {WITHIN_THE_MARGIN}" if within_the_margin(verdict, equivalent) else verdict
