"""What results can say about a statement."""

SUPPORTED = "supported"
CONTRADICTED = "contradicted"
MIXED = "mixed"
NOT_DISTINGUISHABLE = "not distinguishable"
NO_VERDICT = "no verdict"
NOT_RUN = "not run"

WITHIN_THE_MARGIN = "within the margin"
"""Beside a verdict: what difference there may be counts as none."""

CONFIRMATORY = "confirmatory"
EXPLORATORY = "exploratory"


def within_the_margin(verdict: str, equivalent: bool) -> bool:
    """Whether a difference as large as the margin is excluded by results that were judged and agree."""
    return bool(equivalent) and verdict in (SUPPORTED, CONTRADICTED, NOT_DISTINGUISHABLE)


def said(verdict: str, equivalent: bool) -> str:
    """A verdict in words: "supported, within the margin"."""
    return f"{verdict}, {WITHIN_THE_MARGIN}" if within_the_margin(verdict, equivalent) else verdict
