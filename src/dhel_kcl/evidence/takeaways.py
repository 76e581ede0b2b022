"""What figures show, in a sentence computed from tidy tables or verdicts: for the captions of the report."""

import math
from collections import Counter
from collections.abc import Callable, Sequence

import pandas as pd

from dhel_kcl.evidence.statistics import best_rates
from dhel_kcl.evidence.tidy import Results, where
from dhel_kcl.presentation.verdict_words import NOT_RUN
from dhel_kcl.study.suite import dataset_title

Levels = Callable[[Results, str], pd.Series]
"""From results and a data set: a value by (method, batch size), of what has run; NaN where it has none."""


def takeaway(figure: str, results: Results) -> str:
    """ "CIFAR-10: accuracy from 58.5 % (KCL log, M = 256) to 62.5 % (DHEL, M = 64)." for one of `SHOWN`."""
    said = [
        f"{dataset_title(dataset)}: {'; '.join(show(results, dataset) for show in SHOWN[figure])}"
        for dataset in results.datasets_of("losses")
    ]
    return f"{'. '.join(said)}."


def of_statements(verdicts: Sequence[str]) -> str:
    """ "13 statements: 11 supported, 2 contradicted." """
    counts = Counter(verdicts).most_common()
    return f"{len(verdicts)} statements: {', '.join(f'{count} {verdict}' for verdict, count in counts)}."


def _from_to(
    words: str, levels: Levels, digits: int = 1, unit: str = "", without: str = NOT_RUN
) -> Callable[[Results, str], str]:
    """Says between which values the levels lie, and of which loss and batch size these are; `without` where what has
    run has none."""

    def said(results: Results, dataset: str) -> str:
        run = levels(results, dataset)
        found = run.dropna()
        if found.empty:
            return f"{words}: {NOT_RUN if run.empty else without}"
        ends = [
            f"{found[end]:.{digits}f}".replace("-", "−") + f"{unit} ({results.suite.title(end[0])}, M = {end[1]})"
            for end in (found.idxmin(), found.idxmax())
        ]
        return f"{words} from {' to '.join(ends)}" if len(found) > 1 else f"{words}: {ends[0]}"

    return said


def _mean(column: str) -> Levels:
    """Over the seeds of the selected settings."""

    def levels(results: Results, dataset: str) -> pd.Series:
        here = where(results.selected, dataset=dataset)
        here = here[here.method.isin(results.methods("losses", dataset))]
        return here.groupby(["method", "batch_size"])[column].mean()

    return levels


def _between_settings(results: Results, dataset: str) -> pd.Series:
    """From the least to the highest test accuracy among the settings of a loss, each at its best rate on validation."""
    grid, found = where(results.runs, role="grid", dataset=dataset, section="losses"), {}
    for key, points in grid.groupby(["method", "batch_size"]):
        best = best_rates(points).test_accuracy
        found[key] = best.max() - best.min() if len(best) > 1 else math.nan
    return pd.Series(found, dtype=float)


def _gap_left(results: Results, dataset: str) -> pd.Series:
    """Of the gap in the first epoch to the least loss what is left in the last one, in percent; mean over seeds."""
    from dhel_kcl.evidence.figures import training_curves  # here: each plan of the workflow would wait for seaborn

    left = {}
    for size in results.sizes(dataset):
        for method, epochs in training_curves.of_losses(results, dataset, size).groupby("method"):
            left[method, size] = 100 * training_curves.gap_left(epochs).mean(axis=1).iloc[-1]
    return pd.Series(left, dtype=float)


SHOWN = {
    "accuracy": [_from_to("mean accuracy", _mean("test_accuracy"), 1, " %")],
    "hyperparameters": [
        _from_to("spread over the settings of a loss", _between_settings, 1, " points", "one setting each")
    ],
    "spectra": [_from_to("effective rank", _mean("z_effective_rank"))],
    "similarities": [_from_to("Wasserstein uniformity", _mean("z_wasserstein_uniformity"), 3)],
    "alignment_uniformity": [
        _from_to("alignment", _mean("z_alignment"), 2),
        _from_to("uniformity", _mean("z_uniformity"), 2),
    ],
    "training_curves": [
        _from_to("share of the first gap that is left at the end", _gap_left, 0, " %", "least values not known")
    ],
}
"""Figures that have no verdicts in their captions, and what is said of each."""
