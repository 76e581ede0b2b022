"""One module a figure: `draw(results)` makes it from the tidy tables of a suite.

A change in one of them redraws that figure; `panels` and `forest` hold what several of them share.
"""

from collections.abc import Callable

from dhel_kcl.evidence.exhibit import Exhibit, every, held_by
from dhel_kcl.study.suite import Suite


def _figure(name: str, *needs: str, held: Callable[[Suite], bool] = every) -> Exhibit:
    return Exhibit(f"evidence.figures.{name}", "draw", needs, held)


FIGURES = {
    "claims": _figure("claims", "claims"),
    "accuracy": _figure("accuracy", "runs"),
    "hyperparameters": _figure("hyperparameters", "runs"),
    "spectra": _figure("spectra", "spectra"),
    "similarities": _figure("similarities", "similarities"),
    "alignment_uniformity": _figure("alignment_uniformity", "runs"),
    "training_curves": _figure("training_curves", "epochs"),
    "causes": _figure("causes", "runs", "claims", held=lambda suite: suite.has("causes")),
}


def figures_of(suite: Suite) -> list[str]:
    """Figures that a suite has: the trade-off only where it runs one."""
    return held_by(suite, FIGURES)
