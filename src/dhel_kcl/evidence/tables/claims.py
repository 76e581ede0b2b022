"""The claims' verdicts: their number by claim and data set, and every statement with its estimate."""

from typing import Any

import pandas as pd

from dhel_kcl.evidence import scope
from dhel_kcl.evidence.tidy import Results
from dhel_kcl.evidence.wording import WITHIN_THE_MARGIN, said, signed, within_the_margin
from dhel_kcl.presentation.claim_names import with_number
from dhel_kcl.presentation.table_files import FOLDED, number
from dhel_kcl.presentation.verdict_words import (
    CONTRADICTED,
    MIXED,
    NO_VERDICT,
    NOT_DISTINGUISHABLE,
    NOT_RUN,
    SUPPORTED,
)
from dhel_kcl.study.suite import dataset_title

VERDICTS = (SUPPORTED, CONTRADICTED, MIXED, NOT_DISTINGUISHABLE, NO_VERDICT, NOT_RUN)

IN_SHORT = ("claim", "data set", "statement", "estimate", "95 % interval", "unit", "verdict", "status", "p (Holm)")
"""Columns that the table's page shows at once."""


def summary(results: Results) -> pd.DataFrame:
    """Number of statements by claim, data set, status and verdict, and of those whose difference counts as none."""
    rows: list[dict[str, Any]] = []
    by, within = ["claim", "dataset", "status"], f"of these {WITHIN_THE_MARGIN}"
    for (claim, dataset, status), group in asked(results).groupby(by, sort=False):
        counts = {verdict: (group.verdict == verdict).sum() for verdict in VERDICTS}
        counts[within] = sum(map(within_the_margin, group.verdict, group.equivalent))
        rows.append({"claim": with_number(claim), "data set": dataset_title(dataset), "status": status} | counts)
    return pd.DataFrame(rows, columns=["claim", "data set", "status", *VERDICTS, within]).astype(str)


def tabulate(results: Results) -> pd.DataFrame:
    """Every statement with its estimates, intervals, adjusted p, verdict, and what limits it."""
    table = asked(results)
    known = table.estimate.notna()
    found = pd.DataFrame(
        {
            "claim": table.claim,
            "data set": table.dataset.map(dataset_title),
            "statement": table.statement,
            "estimate": [_signed(value) for value in table.estimate],
            "95 % interval": _intervals(table.low, table.high),
            "unit": table.unit.where(known, ""),
            "by M or setting": _texts(table.components),
            "rates retuned": _estimates(table.retuned_estimate, table.retuned_low, table.retuned_high),
            "retuned, by setting": _texts(table.retuned_components),
            "at the grid's length": _estimates(table.short_estimate, table.short_low, table.short_high),
            "over test images": _intervals(table.images_low, table.images_high),
            "p (Holm)": ["< 0.0001" if p < 1e-4 else number(p, ".2g") for p in table.p_holm],
            "seeds": [number(count, ".0f") for count in table.seeds.where(known)],
            "verdict": list(map(said, table.verdict, table.equivalent)),
            "status": table.status,
            "why": _texts(table.status_reason),
            "limits": _texts(table.limits),
            "note": _texts(table.note),
        }
    )
    found.attrs[FOLDED] = [column for column in found if column not in IN_SHORT]
    return found


def asked(results: Results) -> pd.DataFrame:
    """The ledger without statements that the suite cannot say anything on."""
    return scope.asked_rows(results.suite, results.table("claims")).reset_index(drop=True)


def _texts(column: pd.Series) -> list[str]:
    """A column whose cells may all be empty, which is then read as one of numbers."""
    return ["" if pd.isna(cell) else cell for cell in column]


def _intervals(low: pd.Series, high: pd.Series) -> list[str]:
    pairs = zip(low, high, strict=True)
    return ["" if pd.isna(a) or pd.isna(b) else f"{signed(a, 2)} to {signed(b, 2)}" for a, b in pairs]


def _estimates(values: pd.Series, low: pd.Series, high: pd.Series) -> list[str]:
    pairs = zip(values, _intervals(low, high), strict=True)
    return [_signed(value) + f" ({interval})" * bool(interval) for value, interval in pairs]


def _signed(value: float) -> str:
    return "" if pd.isna(value) else signed(value, 2)
