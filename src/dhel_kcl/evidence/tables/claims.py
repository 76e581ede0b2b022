"""The claims' verdicts: their number by claim and data set, and every statement with its estimate."""

from typing import Any

import pandas as pd

from dhel_kcl.evidence.tidy import Results
from dhel_kcl.presentation.claim_names import with_number
from dhel_kcl.presentation.table_files import number
from dhel_kcl.presentation.verdict_words import CONTRADICTED, NOT_DISTINGUISHABLE, NOT_RUN, SUPPORTED
from dhel_kcl.study.suite import dataset_title

VERDICTS = (SUPPORTED, CONTRADICTED, NOT_DISTINGUISHABLE, NOT_RUN)
NOTHING = "of these, nothing to compare"


def summary(results: Results) -> pd.DataFrame:
    """Number of statements by claim, data set and verdict; of those not distinguishable, how many have no estimate."""
    rows: list[dict[str, Any]] = []
    for (claim, dataset), group in results.table("claims").groupby(["claim", "dataset"], sort=False):
        counts = {verdict: (group.verdict == verdict).sum() for verdict in VERDICTS}
        empty = group[group.verdict == NOT_DISTINGUISHABLE].estimate.isna().sum()
        rows.append({"claim": with_number(claim), "data set": dataset_title(dataset)} | counts | {NOTHING: empty})
    return pd.DataFrame(rows).astype(str)[["claim", "data set", *VERDICTS[:3], NOTHING, NOT_RUN]]


def tabulate(results: Results) -> pd.DataFrame:
    """Every statement with its estimate, interval, adjusted p and verdict."""
    table = results.table("claims")
    known = table.estimate.notna()
    return pd.DataFrame(
        {
            "claim": table.claim,
            "data set": table.dataset.map(dataset_title),
            "statement": table.statement,
            "estimate": [number(value, "+.2f") for value in table.estimate],
            "95 % interval": _intervals(table.low, table.high),
            "unit": table.unit.where(known, ""),
            "by M, weight or temperature": table.components.astype(object).fillna(""),
            "over test images": _intervals(table.images_low, table.images_high),
            "p (Holm)": ["< 0.0001" if p < 1e-4 else number(p, ".2g") for p in table.p_holm],
            "seeds": [number(count, ".0f") for count in table.seeds.where(known)],
            "verdict": table.verdict,
            "note": table.note.fillna(""),
        }
    )


def _intervals(low: pd.Series, high: pd.Series) -> list[str]:
    pairs = zip(low, high, strict=True)
    return ["" if pd.isna(a) or pd.isna(b) else f"{a:+.2f} to {b:+.2f}" for a, b in pairs]
