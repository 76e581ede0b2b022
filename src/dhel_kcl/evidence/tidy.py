"""The tidy tables of a suite, as claims, tables and figures read them."""

import base64
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dhel_kcl.study.config import Settings
from dhel_kcl.study.suite import Suite


@dataclass(frozen=True)
class Results:
    """`folder` is results/<suite>; `suite` gives titles and the order of losses."""

    folder: Path
    suite: Suite

    def table(self, name: str) -> pd.DataFrame:
        """One of runs, epochs, predictions, spectra, similarities, costs, plan, claims.

        Raises FileNotFoundError naming the step that makes it.
        """
        path = self.folder / f"{name}.csv"
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing; run `snakemake --cores all {self.suite.name}` to make it")
        return pd.read_csv(path, keep_default_na=True)

    @cached_property
    def runs(self) -> pd.DataFrame:
        runs = self.table("runs")
        return runs.assign(selected=runs.selected.astype(bool))

    @cached_property
    def selected(self) -> pd.DataFrame:
        """Runs of the selected settings and of the floors."""
        return self.runs[self.runs.selected]

    @cached_property
    def correct(self) -> dict[tuple[str, str, int], NDArray[np.float64]]:
        """{(data set, method, batch size): share of the seeds that classify each test image right, shape (N,)}."""
        grouped = self.table("predictions").groupby(["dataset", "method", "batch_size"])
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

    def methods(self, part: str, dataset: str | None = None) -> list[str]:
        """Losses of a part in the config's order, of one data set or of all."""
        entries = self.suite.methods_of(dataset) if dataset else self.suite.methods
        return [name for name, entry in entries.items() if entry.section == part]

    def datasets_of(self, part: str) -> list[str]:
        """Data sets on which the suite runs its "ablations" or its "trade_off"; none if it has no such part."""
        section = getattr(self.suite.config, part)
        asked = section.datasets if section else ()
        return [dataset for dataset in self.datasets if dataset in asked]


def pack(correct: NDArray[np.bool_]) -> str:
    """Truth values, shape (N,), as base64 text of 8 values a byte."""
    return base64.b64encode(np.packbits(correct).tobytes()).decode()


def unpack(text: str, count: int) -> NDArray[np.bool_]:
    """What `pack` packed. Raises ValueError for another number of values."""
    packed = np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
    if len(packed) != -(-count // 8):
        raise ValueError(f"predictions for {8 * len(packed)} images at most, not for {count}")
    return np.unpackbits(packed, count=count).astype(bool)
