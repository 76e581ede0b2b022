"""The tidy tables of a suite: their columns, and how statistics, tables and figures read them."""

import base64
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dhel_kcl.files import write_text
from dhel_kcl.study.schema import Settings
from dhel_kcl.study.suite import Suite

CONFIGURATION = ["dataset", "section", "method", "batch_size"]
"""What runs that differ by their seed alone have in common."""
SPACES = ("z", "h")
"""Embeddings: output of the projector, features of the backbone."""
GEOMETRY = (
    "alignment",
    "uniformity",
    "wasserstein_uniformity",
    "effective_rank",
    "effective_rank_centred",
    "covariance_rank",
)
SCORES = (
    "validation_accuracy",
    "validation_cross_entropy",
    "test_accuracy",
    "test_cross_entropy",
    "test_images",
    "knn_accuracy",
    "cached_test_accuracy",
)
SCALINGS = ("unit", "standardised")
"""Of the features of the cached linear probe."""
PROBES = (*(f"{scaling}_test_accuracy" for scaling in SCALINGS), "probe_scaling", "probe_weight_decay")
"""The cached probe of each scaling at its own chosen penalty, and which scaling and penalty were chosen of all."""
MEASURES = (*SCORES, *PROBES, *(f"{space}_{metric}" for space in SPACES for metric in GEOMETRY), "z_negative_variance")
"""Columns of runs.csv with what was measured; accuracies in percent, cross-entropies in nats."""
COLUMNS = {
    "runs": [
        *CONFIGURATION, "role", "selected", "seed", "parameters", "learning_rate", "epochs", *MEASURES, "plan",
        "claims", "git_revision"
    ],
    "epochs": [
        *CONFIGURATION, "seed", "epoch", "step", "loss", "alignment_term", "energy_term", "alignment", "gap"
    ],
    "predictions": [*CONFIGURATION, "seed", "images", "correct"],
    "spectra": [*CONFIGURATION, "space", "index", "mean", "std", "seeds"],
    "similarities": [*CONFIGURATION, "space", "similarity", "mean", "std", "seeds"],
    "costs": [
        *CONFIGURATION, "runs", "seconds_a_run", "total_seconds", "views_per_second", "planned_views_per_second"
    ],
}  # fmt: skip
"""Of each tidy table; runs.csv has those of transfers besides, before the geometry: transfer_<data set>."""

DIGITS = 12
"""Of a SHA-256 in runs.csv, the first."""
DIGESTS = ("plan", "claims", "git_revision")
"""Columns that are texts even where all their digits are decimal."""


@dataclass(frozen=True)
class Results:
    """`folder` is results/<suite>; `suite` gives titles and the order of losses."""

    folder: Path
    suite: Suite

    def table(self, name: str) -> pd.DataFrame:
        """One of `COLUMNS`, or the verdicts as "claims".

        Raises FileNotFoundError or ValueError that names the file and the command that makes it.
        """
        path, remedy = self.folder / f"{name}.csv", f"run `snakemake --cores all {self.suite.name}` to make it"
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing; {remedy}")
        table = pd.read_csv(path, dtype=dict.fromkeys(DIGESTS, str))
        if missing := [column for column in COLUMNS.get(name, []) if column not in table]:
            raise ValueError(f"{path} has no column {missing[0]!r}, as another version writes it; {remedy} anew")
        return table

    @cached_property
    def runs(self) -> pd.DataFrame:
        runs = self.table("runs")
        return runs.assign(selected=runs.selected.astype(bool))

    @cached_property
    def selected(self) -> pd.DataFrame:
        """Runs of the selected settings, at the final length where there is one, and of the floors."""
        return judged(self.runs[self.runs.selected], self.suite)

    def judged(self, name: str) -> pd.DataFrame:
        """A tidy table of the selected settings, at the final length where there is one, and of the floors."""
        return judged(self.table(name), self.suite)

    @cached_property
    def correct(self) -> dict[tuple[str, str, int], NDArray[np.float64]]:
        """{(data set, method, batch size): share of the seeds that classify each test image right, shape (N,)}; without
        the seed on which a setting was selected, by whose luck it was."""
        table = self.judged("predictions")
        selecting = table.dataset.map({dataset: self.settings(dataset).seeds.grid for dataset in self.datasets})
        table = table[(table.section == "floors") | (table.seed != selecting)]
        grouped = table.groupby(["dataset", "method", "batch_size"])
        return {
            key: np.mean([unpack(row.correct, row.images) for row in group.itertuples()], axis=0)
            for key, group in grouped
        }

    @property
    def datasets(self) -> list[str]:
        return self.suite.datasets

    def settings(self, dataset: str) -> Settings:
        """What the suite asks of a data set."""
        return self.suite.settings(dataset)

    def sizes(self, dataset: str) -> list[int]:
        """Batch sizes of a data set, ascending."""
        return sorted(self.settings(dataset).batch_sizes)

    @property
    def all_sizes(self) -> list[int]:
        return sorted({size for dataset in self.datasets for size in self.sizes(dataset)})

    def methods(self, section: str, dataset: str | None = None) -> list[str]:
        """Losses of a section in the config's order, of one data set or of all."""
        methods = self.suite.methods_of(dataset) if dataset else self.suite.methods
        return [name for name, method in methods.items() if method.section == section]

    def floors(self, dataset: str) -> list[str]:
        """What its losses are compared with besides."""
        return self.suite.floors(dataset)

    def cells(self, dataset: str) -> list[tuple[str, int]]:
        """(method, batch size) of the main losses, one batch size after the other, and of the floors."""
        losses = [(method, size) for size in self.sizes(dataset) for method in self.methods("losses", dataset)]
        return losses + [(floor, self.settings(dataset).floors.batch_size) for floor in self.floors(dataset)]

    def datasets_of(self, section: str) -> list[str]:
        """Data sets on which the suite runs a section; none if it has no such section."""
        return [dataset for dataset in self.datasets if self.methods(section, dataset)]


def judged(table: pd.DataFrame, suite: Suite) -> pd.DataFrame:
    """Rows of a tidy table but for those of losses that have others at the final length in their place."""
    replaced = [dataset for dataset in suite.datasets if suite.judged_section(dataset) != "losses"]
    return table[(table.section != "losses") | ~table.dataset.isin(replaced)]


def where(table: pd.DataFrame, **values: Any) -> pd.DataFrame:
    """Rows whose columns have these values."""
    for column, value in values.items():
        table = table[table[column] == value]
    return table


def write(path: Path, table: pd.DataFrame) -> None:
    """A table as `Results` reads it: numbers in full precision, missing ones as empty cells."""
    write_text(path, table.to_csv(index=False, lineterminator="\n"))


def pack(correct: NDArray[np.bool_]) -> str:
    """Truth values, shape (N,), as base64 text of 8 values a byte."""
    return base64.b64encode(np.packbits(correct).tobytes()).decode()


def unpack(text: str, count: int) -> NDArray[np.bool_]:
    """What `pack` packed. Raises ValueError for another number of values."""
    packed = np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
    if len(packed) != -(-count // 8):
        raise ValueError(f"predictions for {8 * len(packed)} images at most, not for {count}")
    return np.unpackbits(packed, count=count).astype(bool)
