"""How the suite's runs were made: every setting of its config, one column a data set."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from dhel_kcl.evidence.tidy import Results
from dhel_kcl.presentation.table_files import listing
from dhel_kcl.study.schema import Settings
from dhel_kcl.study.suite import dataset_title

OPTIONAL = ("final", "ablations", "causes", "transfer", "augmented")
"""Sections that a suite may lack."""


def tabulate(results: Results) -> pd.DataFrame:
    """One row a setting: first what holds for the suite alone, then what a data set may have of its own."""
    columns = {}
    for dataset in results.datasets:
        config = results.suite.config_of(dataset).model_dump(mode="json")
        own = config.pop("datasets")[dataset]
        shared = {key: value for key, value in config.items() if key not in {"title", *Settings.model_fields}}
        columns[dataset_title(dataset)] = dict(flat(shared | own))
    keys = dict.fromkeys(key for column in columns.values() for key in column)
    return pd.DataFrame(
        [{"setting": key} | {title: column.get(key, "") for title, column in columns.items()} for key in keys]
    )


def flat(settings: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """("training.epochs", "15"), ...: the settings that are not settings of settings."""
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        elif value is not None or key not in OPTIONAL:
            yield f"{prefix}{key}", listing(value) if isinstance(value, list) else str(value)
