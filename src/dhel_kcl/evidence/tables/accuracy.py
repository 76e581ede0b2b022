"""Test accuracies at the setting selected on validation, by loss and batch size."""

import pandas as pd

from dhel_kcl.evidence.tidy import Results, where
from dhel_kcl.presentation.table_files import mean_and_spread
from dhel_kcl.study.suite import dataset_title


def linear_evaluation(results: Results) -> pd.DataFrame:
    """Test accuracy (%) of the linear probe."""
    return _accuracies(results, "test_accuracy")


def cached_probe(results: Results) -> pd.DataFrame:
    """The same of a linear probe on features computed once, where the main probe augments."""
    return _accuracies(results, "cached_test_accuracy")


def knn(results: Results) -> pd.DataFrame:
    """The same of nearest neighbours."""
    return _accuracies(results, "knn_accuracy")


def _accuracies(results: Results, column: str) -> pd.DataFrame:
    title, rows = results.suite.title, []
    for dataset in results.datasets:
        here, sizes = where(results.selected, dataset=dataset), results.sizes(dataset)
        for method in results.methods("losses", dataset):
            row = {"data set": dataset_title(dataset), "loss": title(method)}
            for size in results.all_sizes:
                cell = where(here, method=method, batch_size=size)[column]
                row[f"M = {size}"] = mean_and_spread(cell, 2) if size in sizes else ""
            rows.append(row)
        for floor in results.floors(dataset):
            cell = mean_and_spread(where(here, method=floor)[column], 2)
            row = {"data set": dataset_title(dataset), "loss": f"floor: {title(floor)}"}
            rows.append(row | {f"M = {size}": cell if size in sizes else "" for size in results.all_sizes})
    return pd.DataFrame(rows)
