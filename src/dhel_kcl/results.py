"""The tidy tables of a suite, as tables and figures read them."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from dhel_kcl.suite import Suite


@dataclass(frozen=True)
class Results:
    """`folder` is results/<suite>; `suite` gives titles and the order of losses."""

    folder: Path
    suite: Suite

    def table(self, name: str) -> pd.DataFrame:
        """One of runs, epochs, spectra, similarities, costs. Raises FileNotFoundError naming the step that makes it."""
        path = self.folder / f"{name}.csv"
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing; run `snakemake --cores all {self.suite.name}` to make it")
        return pd.read_csv(path, keep_default_na=True)

    @cached_property
    def runs(self) -> pd.DataFrame:
        return self.table("runs")

    @cached_property
    def selected(self) -> pd.DataFrame:
        """Runs of the selected settings and of the floors."""
        return self.runs[self.runs.selected]

    def methods(self, part: str) -> list[str]:
        """Losses of a part in the config's order."""
        return [name for name, entry in self.suite.methods.items() if entry["part"] == part]
