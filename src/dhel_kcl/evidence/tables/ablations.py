"""Variants against the main losses at one batch size, each at its own selected setting."""

import pandas as pd

from dhel_kcl.evidence import grids
from dhel_kcl.evidence.tidy import Results, where
from dhel_kcl.presentation.table_files import NOT_RUN, mean_and_spread
from dhel_kcl.study.suite import dataset_title


def tabulate(results: Results) -> pd.DataFrame:
    """One row a data set and loss."""
    rows = []
    for dataset in results.datasets_of("ablations"):
        asked = results.suite.config_of(dataset).ablations
        assert asked  # what `datasets_of` means
        runs = results.runs[results.runs.section.isin(["losses", "ablations"])]  # of one length
        here = where(runs, dataset=dataset, batch_size=asked.batch_size, selected=True)
        for method in [*results.methods("losses", dataset), *results.methods("ablations", dataset)]:
            group = where(here, method=method)
            rows.append(
                {
                    "data set": dataset_title(dataset),
                    "loss": results.suite.title(method),
                    "M": asked.batch_size,
                    "selected": grids.parameters(group).iloc[0] if len(group) else NOT_RUN,
                    "test accuracy (%)": mean_and_spread(group.test_accuracy, 2),
                    "alignment (z)": mean_and_spread(group.z_alignment, 3),
                    "effective rank (z)": mean_and_spread(group.z_effective_rank, 1),
                }
            )
    return pd.DataFrame(rows)
