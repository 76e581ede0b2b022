"""Training time and speed as measured, on the machine named in results/<suite>/provenance.json, and as planned."""

import pandas as pd

from dhel_kcl.evidence.tidy import Results
from dhel_kcl.presentation.table_files import number
from dhel_kcl.study.suite import dataset_title


def tabulate(results: Results) -> pd.DataFrame:
    """One row a data set, entry of the config and batch size."""
    costs = results.table("costs")
    return pd.DataFrame(
        {
            "data set": costs.dataset.map(dataset_title),
            "section": costs.section,
            "entry": costs.method,
            "loss": [results.suite.title(method) for method in costs.method],
            "M": costs.batch_size,
            "runs": costs.runs,
            "seconds a run": [number(seconds, ".1f") for seconds in costs.seconds_a_run],
            "total minutes": [number(seconds / 60, ".2f") for seconds in costs.total_seconds],
            "views a second": [number(speed, ".0f") for speed in costs.views_per_second],
            "planned": [number(speed, ".0f") for speed in costs.planned_views_per_second],
        }
    )
