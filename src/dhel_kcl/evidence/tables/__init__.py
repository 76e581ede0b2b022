"""One module a theme: functions that make a table, as a DataFrame, from the tidy tables of a suite.

A change in one of them remakes its tables. A cell that the suite asks for and that has no run says "not run".
"""

from dhel_kcl.evidence.exhibit import Exhibit, asks_causes, has_losses, held_by, judges
from dhel_kcl.evidence.published import read_published
from dhel_kcl.study.suite import Suite


def _augments(suite: Suite) -> bool:
    """Whether a probe augments, so that there is a cached one beside it."""
    return has_losses(suite) and any(suite.settings(dataset).probe.augmented for dataset in suite.datasets)


def _chooses_probes(suite: Suite) -> bool:
    """Whether a cached probe's scaling or penalty is chosen among several."""
    probes = [suite.settings(dataset).probe for dataset in suite.datasets]
    return has_losses(suite) and any(len(probe.scaling) > 1 or len(probe.weight_decay) > 1 for probe in probes)


def _compares_negatives(suite: Suite) -> bool:
    """Whether a loss is run at one setting and three batch sizes or more, and measured on training pairs."""
    measured = [dataset for dataset in suite.datasets if suite.settings(dataset).probe.training_pairs]
    methods = [method for dataset in measured for method in suite.methods_of(dataset).values()]
    return any(each.section == "losses" and len(each.grid) == 1 and len(each.batch_sizes) > 2 for each in methods)


def _has_grids(suite: Suite) -> bool:
    """Whether there is a choice between settings."""
    methods = [method for dataset in suite.datasets for method in suite.methods_of(dataset).values()]
    return any(each.section == "losses" and len(each.grid) > 1 for each in methods)


def _is_beside_others(suite: Suite) -> bool:
    return has_losses(suite) and bool(read_published(suite.datasets))


TABLES = {
    "claims_summary": Exhibit("evidence.tables.claims", "summary", judges),
    "claims": Exhibit("evidence.tables.claims", "tabulate", judges),
    "linear_evaluation": Exhibit("evidence.tables.accuracy", "linear_evaluation", has_losses),
    "cached_probe": Exhibit("evidence.tables.accuracy", "cached_probe", _augments),
    "probes": Exhibit("evidence.tables.accuracy", "probes", _chooses_probes),
    "knn": Exhibit("evidence.tables.accuracy", "knn", has_losses),
    "geometry": Exhibit("evidence.tables.geometry", "tabulate", has_losses),
    "negative_variance": Exhibit("evidence.tables.negatives", "tabulate", _compares_negatives),
    "ablations": Exhibit("evidence.tables.ablations", "tabulate", lambda suite: suite.has("ablations")),
    "causes_points": Exhibit("evidence.tables.causes", "points", asks_causes),
    "causes_effects": Exhibit("evidence.tables.causes", "effects", asks_causes),
    "robustness": Exhibit("evidence.tables.robustness", "tabulate", _has_grids),
    "transfer": Exhibit("evidence.tables.transfer", "tabulate", lambda suite: suite.has("transfer")),
    "published": Exhibit("evidence.tables.published", "beside_ours", _is_beside_others),
    "recipe": Exhibit("evidence.tables.recipe", "tabulate"),
    "runs": Exhibit("evidence.tables.runs", "tabulate"),
    "costs": Exhibit("evidence.tables.costs", "tabulate"),
}


def tables_of(suite: Suite) -> list[str]:
    """Tables that a suite has: some only where it runs what they show, or where others published on its data sets."""
    return held_by(suite, TABLES)
