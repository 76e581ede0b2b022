"""Accuracies that others published: data, in published.csv of this package, with source, precision and what makes each
comparable with ours or not."""

import csv
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

PUBLISHED = Path(__file__).with_name("published.csv")
LOSSES = {
    "infonce": "InfoNCE",
    "simclr": "SimCLR",
    "dcl": "DCL",
    "dhel": "DHEL",
    "best_baseline": "best baseline",
}
"""Titles of what was published; the best baseline is the better of SimCLR and DCL."""


@dataclass(frozen=True)
class Published:
    """One accuracy (%) and its conditions, as printed there; empty where they are not stated."""

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
    def fixed_temperature(self) -> str:
        """The temperature, if it was not chosen among several."""
        return self.temperature if self.temperature_tuned == "no" else ""

    @property
    def is_comparable(self) -> bool:
        return not self.comparable.startswith("no")


def read_published(datasets: Collection[str] | None = None) -> list[Published]:
    """What was published on these data sets, or all of it, in the file's order. Raises ValueError naming a bad line."""
    with PUBLISHED.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, restval=None, strict=True)
        entries = []
        for row in reader:
            if None in row or None in row.values() or row.get("loss") not in LOSSES:
                raise ValueError(
                    f"{PUBLISHED}, line {reader.line_num}: needs a value or nothing in each of {len(row)} columns, "
                    f"and a loss of {', '.join(LOSSES)}"
                )
            entries.append(Published(**row))
    return [entry for entry in entries if datasets is None or entry.dataset in datasets]
