"""How effects are written, and what is said besides verdicts: of differences that count as none, of losses that a suite
lacks."""

import math

from dhel_kcl.presentation.verdict_words import CONTRADICTED, NOT_DISTINGUISHABLE, SUPPORTED

WITHIN_THE_MARGIN = "within the margin"
NOT_IN_THIS_SUITE = "not in this suite"


def signed(value: float, digits: int) -> str:
    """ "+1.2", "-0.3"; "0.0" stands for either sign, and has none."""
    text = f"{value:+z.{digits}f}"
    return text if float(text) else text.removeprefix("+")


def with_interval(value: float, low: float, high: float, digits: int) -> str:
    """ "+1.2 (+0.4 to +2.0)"; without an interval where it is not known."""
    interval = "" if math.isnan(low) else f" ({signed(low, digits)} to {signed(high, digits)})"
    return signed(value, digits) + interval


def within_the_margin(verdict: str, equivalent: bool) -> bool:
    """Whether results that were judged, and agree, exclude a difference as large as the margin.

    equivalent: the column of claims.csv.
    """
    return bool(equivalent) and verdict in (SUPPORTED, CONTRADICTED, NOT_DISTINGUISHABLE)


def said(verdict: str, equivalent: bool) -> str:
    """A verdict in words: "supported, within the margin"."""
    return f"{verdict}, {WITHIN_THE_MARGIN}" if within_the_margin(verdict, equivalent) else verdict
