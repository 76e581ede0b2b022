"""Whether what a statement rests on was planned before it was run, and when it was not, why.

Runs record the SHA-256 of the plan and of the statements as these were when they were trained. They are compared with
the files as they are, so Git is not asked.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from dhel_kcl.evidence.ledger import LEDGER, Statement
from dhel_kcl.evidence.tidy import DIGITS
from dhel_kcl.files import sha256
from dhel_kcl.presentation.verdict_words import EXPLORATORY
from dhel_kcl.study.layout import ANALYSIS_PLAN


@dataclass(frozen=True)
class Present:
    """Digests of the plan and of the statements as they are now; empty where there is no such file."""

    plan: str
    claims: str

    @classmethod
    def read(cls, root: Path) -> "Present":
        """Of the repository below `root`."""
        return cls(*(sha256(path)[:DIGITS] if path.is_file() else "" for path in (root / ANALYSIS_PLAN, LEDGER)))


def objections(statement: Statement, confirmatory: bool, runs: pd.DataFrame, present: Present) -> Iterator[str]:
    """Why a statement is exploratory; nothing if it is confirmatory.

    Args:
        statement: what is said.
        confirmatory: whether the suite says that its statements were planned.
        runs: those that the statement rests on, as in runs.csv.
        present: what runs must have been planned by.
    """
    if statement.kind == EXPLORATORY:
        yield "so declared in claims.yaml"
    if not confirmatory:
        yield "the suite is not confirmatory"
    for column, name, now in (("plan", ANALYSIS_PLAN, present.plan), ("claims", "claims.yaml", present.claims)):
        digests = _texts(runs[column])
        if without := digests.count(""):
            yield f"{_runs(without)} without {name}"
        if other := sum(digest not in ("", now) for digest in digests):
            yield f"{_runs(other)} by another {name} than there is now"
    found = _texts(runs.git_revision)
    if changed := sum("+" in revision for revision in found):
        yield f"{_runs(changed)} of a changed working tree"
    if unknown := sum(revision in ("", "unknown") for revision in found):
        yield f"{_runs(unknown)} of an unknown revision"


def _texts(column: pd.Series) -> list[str]:
    """Empty where there is nothing."""
    return ["" if pd.isna(value) else str(value) for value in column]


def _runs(count: int) -> str:
    return f"{count} run{'s' * (count > 1)}"
