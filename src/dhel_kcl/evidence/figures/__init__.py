"""One module a figure: `draw(results)` makes it from the tidy tables of a suite.

A change in one of them redraws that figure; `panels` and `forest` hold what several of them share.
"""

from collections.abc import Callable

from dhel_kcl.evidence import grids
from dhel_kcl.evidence.exhibit import Exhibit, asks_causes, compared, compares, has_losses, held_by, judges
from dhel_kcl.study.suite import Suite


def _tries_settings(suite: Suite) -> bool:
    """Whether a loss has a choice between settings, besides that of its learning rate."""
    compared = [(dataset, method) for dataset in suite.datasets for method in suite.settings(dataset).losses]
    return any(grids.size(grids.asked(suite, *each))[0] > 1 for each in compared)


def _plans_a_part(suite: Suite) -> bool:
    """Whether some of its statements were planned and others not; those on causes all were, and `claims` has them."""
    return compares(suite) and any(suite.config_of(dataset).confirmatory for dataset in suite.datasets)


def _has_several_points(suite: Suite) -> bool:
    """Whether losses are compared by more than two trainings, or on judged seeds: two numbers need no figure."""
    return any(suite.judged_seeds(name) or _trainings_of_a_seed(suite, name) > 2 for name in compared(suite))


def _trainings_of_a_seed(suite: Suite, dataset: str) -> int:
    settings = suite.settings(dataset)
    return len(settings.losses) * len(settings.batch_sizes)


def _figure(name: str, held: Callable[[Suite], bool]) -> Exhibit:
    return Exhibit(f"evidence.figures.{name}", "draw", held)


FIGURES = {
    "planned": _figure("planned", _plans_a_part),
    "claims": _figure("claims", judges),
    "accuracy": _figure("accuracy", _has_several_points),
    "hyperparameters": _figure("hyperparameters", _tries_settings),
    "spectra": _figure("spectra", compares),
    "similarities": _figure("similarities", compares),
    "alignment_uniformity": _figure("alignment_uniformity", _has_several_points),
    "training_curves": _figure("training_curves", has_losses),
    "causes": _figure("causes", asks_causes),
}


def figures_of(suite: Suite) -> list[str]:
    """Figures that a suite has: those of its main comparison and of causes only where it runs such."""
    return held_by(suite, FIGURES)
