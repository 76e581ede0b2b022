"""Variance of negative similarities against batch size at one setting, beside what others published."""

import pandas as pd

from dhel_kcl.evidence import grids
from dhel_kcl.evidence.published import NEGATIVE_VARIANCE, TITLES, read_published
from dhel_kcl.evidence.tidy import Results, where
from dhel_kcl.presentation.table_files import NOT_RUN, mean_and_spread
from dhel_kcl.study.suite import dataset_title


def tabulate(results: Results) -> pd.DataFrame:
    """One row a loss that is run at one setting, so that nothing but the batch size differs, and one for each series
    that was published; one column a batch size."""
    published = read_published(measure=NEGATIVE_VARIANCE)
    sizes = sorted({*results.all_sizes, *(int(entry.batch_size) for entry in published)})
    rows = [row for dataset in results.datasets for row in _ours(results, dataset, sizes)]
    series: dict[tuple[str, str, str, str], dict[str, str]] = {}
    for entry in published:
        key = (dataset_title(entry.dataset), TITLES[entry.loss], f"temperature={entry.temperature}", entry.source)
        series.setdefault(key, {})[entry.batch_size] = entry.value
    for (dataset, loss, setting, source), values in series.items():
        row = {"data set": dataset, "loss": loss, "setting": setting}
        rows.append(row | {f"M = {size}": values.get(str(size), "") for size in sizes} | {"source": source})
    return pd.DataFrame(rows)


def _ours(results: Results, dataset: str, sizes: list[int]) -> list[dict[str, str]]:
    rows = []
    for name in results.methods("losses", dataset):
        method, runs = results.suite.methods_of(dataset)[name], where(results.selected, dataset=dataset, method=name)
        if len(method.grid) == 1:
            row = {"data set": dataset_title(dataset), "loss": method.title}
            row["setting"] = grids.parameters(runs).iloc[0] if len(runs) else NOT_RUN
            for size in sizes:
                cell = mean_and_spread(where(runs, batch_size=size).z_negative_variance, 4)
                row[f"M = {size}"] = cell if size in method.batch_sizes else ""
            rows.append(row | {"source": "here"})
    return rows
