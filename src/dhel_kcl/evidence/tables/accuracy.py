"""Test accuracies at the setting selected on validation, by loss and batch size."""

from collections.abc import Sequence

import pandas as pd

from dhel_kcl.evidence.tidy import SCALINGS, Results, where
from dhel_kcl.presentation.table_files import NOT_RUN, mean_and_spread
from dhel_kcl.study.suite import FLOORS, dataset_title


def linear_evaluation(results: Results) -> pd.DataFrame:
    """Test accuracy (%) of the linear probe."""
    return _accuracies(results, results.selected.test_accuracy)


def cached_probe(results: Results) -> pd.DataFrame:
    """The same of a linear probe on features computed once, where the main probe augments; of raw pixels that is the
    main one."""
    return _accuracies(results, results.selected.cached_test_accuracy.fillna(results.selected.test_accuracy))


def knn(results: Results) -> pd.DataFrame:
    """The same of nearest neighbours."""
    return _accuracies(results, results.selected.knn_accuracy)


def probes(results: Results) -> pd.DataFrame:
    """The same of the probe of each scaling at its own penalty, and which of all was chosen on validation."""
    rows = []
    for dataset in results.datasets:
        here, penalties = where(results.selected, dataset=dataset), results.settings(dataset).probe.weight_decay
        for method, size in results.cells(dataset):
            cell = where(here, method=method, batch_size=size)
            row = {"data set": dataset_title(dataset), "M": "-" if method in FLOORS else str(size)}
            row["loss"] = results.suite.title(method)
            row |= {f"{name} (%)": mean_and_spread(cell[f"{name}_test_accuracy"], 2) for name in SCALINGS}
            rows.append(row | {"chosen": _chosen(cell, penalties)})
    return pd.DataFrame(rows)


def _chosen(runs: pd.DataFrame, penalties: Sequence[float]) -> str:
    """Scaling and penalty of runs, the most frequent first, marked where the penalty lies at the edge of three or more,
    beyond which nobody looked."""
    edges = {min(penalties), max(penalties)} if len(penalties) > 2 else set()
    counts = runs.value_counts(["probe_scaling", "probe_weight_decay"])
    texts = [
        f"{scaling}, {penalty:g}{' (edge)' * (penalty in edges)}{f' ({count} of {len(runs)})' * (len(counts) > 1)}"
        for (scaling, penalty), count in counts.items()
    ]
    return "; ".join(texts) or NOT_RUN


def _accuracies(results: Results, values: pd.Series) -> pd.DataFrame:
    """values: of each of the selected runs."""
    title, rows = results.suite.title, []
    for dataset in results.datasets:
        here, sizes = where(results.selected.assign(value=values), dataset=dataset), results.sizes(dataset)
        for method in results.methods("losses", dataset):
            row = {"data set": dataset_title(dataset), "loss": title(method)}
            for size in results.all_sizes:
                cell = where(here, method=method, batch_size=size).value
                row[f"M = {size}"] = mean_and_spread(cell, 2) if size in sizes else ""
            rows.append(row)
        for floor in results.floors(dataset):
            cell = mean_and_spread(where(here, method=floor).value, 2)
            kind = "ceiling" if floor == "supervised" else "floor"
            row = {"data set": dataset_title(dataset), "loss": f"{kind}: {title(floor)}"}
            rows.append(row | {f"M = {size}": cell if size in sizes else "" for size in results.all_sizes})
    return pd.DataFrame(rows)
