"""Geometry of the test embeddings at the selected setting: projector output z and backbone features h."""

import pandas as pd

from dhel_kcl.evidence.tidy import Results, where
from dhel_kcl.presentation.table_files import mean_and_spread
from dhel_kcl.study.suite import FLOORS, dataset_title

METRICS = {
    "alignment": ("alignment", 3),
    "uniformity": ("uniformity", 3),
    "wasserstein_uniformity": ("Wasserstein uniformity", 3),
    "effective_rank": ("effective rank", 1),
    "covariance_rank": ("covariance rank", 1),
}
"""Header and decimals by column of runs.csv, less the space."""


def tabulate(results: Results) -> pd.DataFrame:
    """One row a data set, space, batch size and loss or floor."""
    rows = []
    for dataset in results.datasets:
        here = where(results.selected, dataset=dataset)
        for space in ("z", "h"):
            for method, size in results.cells(dataset):
                if space == "z" and method in ("pixels", "supervised"):
                    continue  # which have no projector
                group = where(here, method=method, batch_size=size)
                row = {"data set": dataset_title(dataset), "space": space, "M": "-" if method in FLOORS else size}
                row["loss"] = results.suite.title(method)
                for metric, (header, digits) in METRICS.items():
                    row[header] = mean_and_spread(group[f"{space}_{metric}"], digits)
                row["variance of negatives"] = mean_and_spread(group.z_negative_variance, 4) if space == "z" else ""
                rows.append(row)
    return pd.DataFrame(rows)
