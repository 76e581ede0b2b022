"""Every run, in the order of the config."""

import pandas as pd

from dhel_kcl.evidence import grids
from dhel_kcl.evidence.tidy import Results
from dhel_kcl.presentation.table_files import number
from dhel_kcl.study.suite import dataset_title

REVISION = r"^(\w{10})\w*"


def tabulate(results: Results) -> pd.DataFrame:
    """One row a run, with the revision that trained it."""
    table = results.runs

    def numbers(column: str, digits: int) -> list[str]:
        return [number(value, f".{digits}f") for value in table[column]]

    return pd.DataFrame(
        {
            "data set": table.dataset.map(dataset_title),
            "loss": [results.suite.title(method) for method in table.method],
            "M": table.batch_size,
            "parameters": grids.parameters(table),
            "seed": table.seed,
            "role": table.role.where(~table.selected | (table.role != "grid"), "grid, selected"),
            "validation accuracy (%)": numbers("validation_accuracy", 2),
            "test accuracy (%)": numbers("test_accuracy", 2),
            "alignment of z": numbers("z_alignment", 3),
            "effective rank of z": numbers("z_effective_rank", 1),
            "effective rank of h": numbers("h_effective_rank", 1),
            "Git revision": table.git_revision.fillna("").str.replace(REVISION, r"\1", regex=True),
        }
    )
