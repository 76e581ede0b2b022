"""What an entry in the lists of figures and tables says: where one is made, from what, and which suites have it."""

from collections.abc import Callable
from dataclasses import dataclass

from dhel_kcl.study.suite import Suite


@dataclass(frozen=True)
class Exhibit:
    """A figure or a table of a suite's results.

    module, function: what makes it, as `function(results)`; a name, so that the lists can be read without importing
        what draws. needs: the tidy tables that it reads, results/<suite>/<name>.csv. held: which suites have it.
    """

    module: str
    function: str
    needs: tuple[str, ...]
    held: Callable[[Suite], bool] = lambda suite: True


def held_by(suite: Suite, exhibits: dict[str, Exhibit]) -> list[str]:
    """Names of those that a suite has."""
    return [name for name, exhibit in exhibits.items() if exhibit.held(suite)]
