"""What others published: data, in published.csv of this package, with source, precision and what makes each comparable
with ours or not."""

import csv
from collections.abc import Collection
from dataclasses import dataclass, fields
from pathlib import Path

PUBLISHED = Path(__file__).with_name("published.csv")
ACCURACY, NEGATIVE_VARIANCE = "accuracy", "negative_variance"
"""What was measured: accuracies in %, and the variance of negative similarities (`metrics.negative_variance`)."""
TITLES = {
    "infonce": "InfoNCE",
    "simclr": "SimCLR",
    "dcl": "DCL",
    "dhel": "DHEL",
    "best_baseline": "best baseline",
}
"""Titles of what was published; the best baseline is the better of SimCLR and DCL."""


@dataclass(frozen=True)
class Published:
    """One measured value and its conditions, as printed there; empty where they are not stated."""

    measure: str
    dataset: str
    loss: str
    dhel_form: str
    batch_size: str
    backbone: str
    epochs: str
    temperature: str
    temperature_tuned: str
    """"yes" or "no"."""
    optimiser: str
    probe: str
    """Protocol, and after a comma its details."""
    value: str
    precision: str
    """"printed", or "read off a chart"."""
    comparable: str
    """"yes", "partly: ..." or "no: ..."."""
    inferred_fields: str
    source: str

    @property
    def protocol(self) -> str:
        return self.probe.split(",")[0]

    @property
    def is_comparable(self) -> bool:
        return not self.comparable.startswith("no")


def read_published(datasets: Collection[str] | None = None, measure: str = ACCURACY) -> list[Published]:
    """The values of a measure on these data sets, or on all, in the file's order. Raises ValueError naming a bad
    line."""
    columns = [field.name for field in fields(Published)]
    with PUBLISHED.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        if next(rows, None) != columns:
            raise ValueError(f"{PUBLISHED}: the first line must be {','.join(columns)}")
        entries = []
        for row in rows:
            if len(row) != len(columns) or row[columns.index("loss")] not in TITLES:
                remedy = (
                    f"give a value or nothing for each of {len(columns)} columns, and a loss of {', '.join(TITLES)}"
                )
                raise ValueError(f"{PUBLISHED}, line {rows.line_num}: {remedy}")
            entries.append(Published(*row))
    return [entry for entry in entries if entry.measure == measure and (datasets is None or entry.dataset in datasets)]
