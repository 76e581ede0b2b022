"""One module a theme: functions that make a table, as a DataFrame of texts, from the tidy tables of a suite.

A change in one of them remakes its tables. A cell that the suite asks for and that has no run says "not run".
"""

from dhel_kcl.evidence.exhibit import Exhibit, held_by
from dhel_kcl.evidence.published import read_published
from dhel_kcl.study.suite import Suite


def _compares(suite: Suite) -> bool:
    """Whether there is a main comparison."""
    return suite.has("losses")


def _augments(suite: Suite) -> bool:
    """Whether a probe augments, so that there is a cached one beside it."""
    return _compares(suite) and any(suite.settings(dataset).probe.augmented for dataset in suite.datasets)


def _has_grids(suite: Suite) -> bool:
    """Whether there is a choice between settings."""
    grids = {(run.dataset, run.method, run.batch_size) for run in suite.runs if (run.section, run.role) == MAIN_GRID}
    return any(len(suite.candidates(*grid)) > 1 for grid in grids)


def _is_beside_others(suite: Suite) -> bool:
    return _compares(suite) and bool(read_published(suite.datasets))


def _has_causes(suite: Suite) -> bool:
    return suite.has("causes")


MAIN_GRID = ("losses", "grid")
TABLES = {
    "claims_summary": Exhibit("evidence.tables.claims", "summary", ("claims",)),
    "claims": Exhibit("evidence.tables.claims", "tabulate", ("claims",)),
    "linear_evaluation": Exhibit("evidence.tables.accuracy", "linear_evaluation", ("runs",), _compares),
    "cached_probe": Exhibit("evidence.tables.accuracy", "cached_probe", ("runs",), _augments),
    "knn": Exhibit("evidence.tables.accuracy", "knn", ("runs",), _compares),
    "geometry": Exhibit("evidence.tables.geometry", "tabulate", ("runs",), _compares),
    "ablations": Exhibit("evidence.tables.ablations", "tabulate", ("runs",), lambda suite: suite.has("ablations")),
    "causes_points": Exhibit("evidence.tables.causes", "points", ("runs",), _has_causes),
    "causes_effects": Exhibit("evidence.tables.causes", "effects", ("runs",), _has_causes),
    "robustness": Exhibit("evidence.tables.robustness", "tabulate", ("runs",), _has_grids),
    "transfer": Exhibit("evidence.tables.transfer", "tabulate", ("runs",), lambda suite: suite.has("transfer")),
    "published": Exhibit("evidence.tables.published", "beside_ours", ("runs",), _is_beside_others),
    "recipe": Exhibit("evidence.tables.recipe", "tabulate", ()),
    "runs": Exhibit("evidence.tables.runs", "tabulate", ("runs",)),
    "costs": Exhibit("evidence.tables.costs", "tabulate", ("costs",)),
}


def tables_of(suite: Suite) -> list[str]:
    """Tables that a suite has: some only where it runs what they show, or where others published on its data sets."""
    return held_by(suite, TABLES)
