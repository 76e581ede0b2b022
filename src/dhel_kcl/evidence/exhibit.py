"""What an entry in the lists of figures and tables says: where one is made, and which suites have it."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from dhel_kcl.evidence.tidy import Results
from dhel_kcl.study.suite import Suite


def every(suite: Suite) -> bool:
    return True


def has_losses(suite: Suite) -> bool:
    """Whether there is a main section, be it of one loss."""
    return suite.has("losses")


def compared(suite: Suite) -> list[str]:
    """Data sets whose main section has losses to compare with each other."""
    return [dataset for dataset in suite.datasets if len(suite.settings(dataset).losses) > 1]


def compares(suite: Suite) -> bool:
    return bool(compared(suite))


def asks_causes(suite: Suite) -> bool:
    return suite.has("causes")


def judges(suite: Suite) -> bool:
    """Whether it has causes, or losses on seeds that selected nothing, to compare with each other."""
    return asks_causes(suite) or any(suite.judged_seeds(dataset) for dataset in compared(suite))


@dataclass(frozen=True)
class Exhibit:
    """A figure or a table of a suite's results: where it is made, and which suites have it.

    The lists can be read without importing what draws, since modules stand there by name.
    """

    module: str
    """Inside the package: "evidence.figures.spectra"."""
    function: str
    """Of the module; takes `Results` and returns a Figure or a DataFrame."""
    held: Callable[[Suite], bool] = every
    """Whether a suite has it."""

    def make(self, results: Results) -> Any:
        return getattr(import_module(f"dhel_kcl.{self.module}"), self.function)(results)


def held_by(suite: Suite, exhibits: dict[str, Exhibit]) -> list[str]:
    """Names of those that a suite has."""
    return [name for name, exhibit in exhibits.items() if exhibit.held(suite)]
