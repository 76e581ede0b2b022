"""Test accuracy (%) of a cached linear probe on each data set, on features learned on one, by the selected settings'
encoders that were trained as long as the grid's."""

import pandas as pd

from dhel_kcl.evidence.tidy import Results, where
from dhel_kcl.presentation.table_files import mean_and_spread
from dhel_kcl.study.suite import Suite, dataset_title


def tabulate(results: Results) -> pd.DataFrame:
    """One row a data set that was trained on and loss, one column a data set that was probed."""
    rows = []
    for dataset in results.datasets:
        asked, settings = results.suite.config_of(dataset).transfer, results.settings(dataset)
        if asked is None or not settings.seeds.selected or asked.batch_size not in settings.batch_sizes:
            continue
        runs = where(results.runs, batch_size=asked.batch_size, role="selected")
        # The same probe for all: transfers are cached.
        own = runs.cached_test_accuracy.fillna(runs.test_accuracy)
        allowed = {dataset, *asked.datasets} & of_channels(results.suite, results.suite.dataset(dataset).channels)
        here = where(runs, dataset=dataset).assign(**{f"transfer_{dataset}": own})
        for method in results.methods("losses", dataset):
            cell = where(here, method=method)
            row = {"trained on": dataset_title(dataset), "loss": results.suite.title(method), "M": asked.batch_size}
            for target in results.suite.all_datasets:
                values = cell.get(f"transfer_{target}", pd.Series(dtype=float)).dropna()  # no column: nothing was run
                row[dataset_title(target)] = mean_and_spread(values, 2) if target in allowed else ""
            rows.append(row)
    return pd.DataFrame(rows)


def of_channels(suite: Suite, channels: int) -> set[str]:
    """Data sets whose images have as many channels, so that an encoder can take them."""
    return {name for name in suite.all_datasets if suite.dataset(name).channels == channels}
