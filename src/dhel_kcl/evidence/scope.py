"""Which statements of the ledger a suite asks: those that its losses, batch sizes, grids and causes can say something
on, be its seeds few."""

import pandas as pd

from dhel_kcl.evidence import causes, ledger
from dhel_kcl.study.suite import Suite

Key = tuple[str, str, str]
"""Id of a statement, and its two losses; "" and "" of one on causes."""


def asked_on(suite: Suite, dataset: str) -> set[Key]:
    return {
        (statement.id, pair.of, pair.against)
        for statement, pair in ledger.read().asked(causes.are_asked(suite, dataset))
        if statement.statistic.testable(suite, dataset, pair, seeds=1)
    }


def asked_rows(suite: Suite, claims: pd.DataFrame) -> pd.DataFrame:
    """Of claims.csv, what the suite asks, or what has an estimate though grids are unequal; "" for no loss."""
    claims = claims.fillna({"of": "", "against": ""})
    asked = {(dataset, *key) for dataset in suite.datasets for key in asked_on(suite, dataset)}
    keys = zip(claims.dataset, claims.id, claims.of, claims.against, strict=True)
    return claims[claims.estimate.notna() | pd.Series([key in asked for key in keys], claims.index, dtype=bool)]
