"""One module a figure: `draw(results)` makes it from the tidy tables of a suite.

A change in one of them redraws that figure; `panels` and `forest` hold what several of them share.
"""

from collections.abc import Callable

from dhel_kcl.evidence import grids
from dhel_kcl.evidence.exhibit import Exhibit, every, held_by, judges
from dhel_kcl.study.suite import Suite


def _compares(suite: Suite) -> bool:
    return suite.has("losses")


def _tries_settings(suite: Suite) -> bool:
    """Whether a loss has a choice between settings, besides that of its learning rate."""
    asked = [grids.asked(suite, run.dataset, run.method) for run in suite.runs if run.section == "losses"]
    return any(grids.size(points)[0] > 1 for points in asked)


def _was_planned(suite: Suite) -> bool:
    return any(suite.config_of(dataset).confirmatory for dataset in suite.datasets)


def _figure(name: str, *needs: str, held: Callable[[Suite], bool] = every) -> Exhibit:
    return Exhibit(f"evidence.figures.{name}", "draw", needs, held)


FIGURES = {
    "planned": _figure("planned", "claims", held=_was_planned),
    "claims": _figure("claims", "claims", held=judges),
    "accuracy": _figure("accuracy", "runs", held=_compares),
    "hyperparameters": _figure("hyperparameters", "runs", held=_tries_settings),
    "spectra": _figure("spectra", "spectra", held=_compares),
    "similarities": _figure("similarities", "similarities", held=_compares),
    "alignment_uniformity": _figure("alignment_uniformity", "runs", held=_compares),
    "training_curves": _figure("training_curves", "epochs", held=_compares),
    "causes": _figure("causes", "runs", "claims", held=lambda suite: suite.has("causes")),
}


def figures_of(suite: Suite) -> list[str]:
    """Figures that a suite has: those of its main comparison and of causes only where it runs such."""
    return held_by(suite, FIGURES)
