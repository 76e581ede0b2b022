"""How much the choice of hyperparameters matters: test accuracies over each loss's settings, one seed each."""

from collections.abc import Sequence

import pandas as pd

from dhel_kcl.evidence import grids, ledger
from dhel_kcl.evidence.estimates import expected_best_of
from dhel_kcl.evidence.statistics import best_rates, in_order_of_choice
from dhel_kcl.evidence.tidy import Results, where
from dhel_kcl.presentation.table_files import NOT_RUN, number
from dhel_kcl.study.suite import dataset_title


def tabulate(results: Results) -> pd.DataFrame:
    """Test accuracy (%) over settings, each at its best learning rate, of grids of two points or more; picked on
    validation, as `select` does."""
    close, rows = ledger.read().close, []
    grid = where(results.runs, role="grid")
    for dataset in results.datasets:
        for method in results.methods("losses", dataset):
            for size in results.sizes(dataset):
                asked = grids.asked(results.suite, dataset, method)
                if len(asked) < 2:
                    continue
                points = in_order_of_choice(where(grid, dataset=dataset, method=method, batch_size=size))
                row = {"data set": dataset_title(dataset), "loss": results.suite.title(method), "M": size}
                row["selected"] = selected(grids.parameters(points), asked)
                row |= spread(best_rates(points).test_accuracy, close)
                whole = {"mean": points.test_accuracy.mean(), "SD": points.test_accuracy.std()}
                rows.append(row | {f"{of} over all points": number(x, ".2f") or NOT_RUN for of, x in whole.items()})
    return pd.DataFrame(rows)


def selected(parameters: pd.Series, points: list[str]) -> str:
    """The first setting's value of what the grid varies, marked where it lies at an edge, beyond which nobody
    looked."""
    if len(parameters) < len(points):
        return NOT_RUN
    edges = grids.at_edge(parameters.iloc[0], points)
    chosen = grids.hyperparameters(parameters.iloc[0])
    return " ".join(f"{key}={chosen[key]}" + " (edge)" * (key in edges) for key in grids.varied(points))


def spread(accuracy: Sequence[float] | pd.Series, close: float) -> dict[str, str]:
    """What a setting that is picked in one way or another gives.

    Args:
        accuracy: in the order of choice on validation.
        close: points of accuracy within which a setting is as good as the best.
    """
    values = list(accuracy)
    headers = ["settings", "expected of 1", "expected best of 2", "best on validation", "worst on validation", "least"]
    headers += [f"within {close:g} point of the best", "gain if selected on test"]
    if not values:
        return dict.fromkeys(headers, NOT_RUN)
    near = sum(value >= max(values) - close for value in values)
    two = expected_best_of(min(2, len(values)), values)
    numbers = [f"{value:.2f}" for value in (expected_best_of(1, values), two, values[0], values[-1], min(values))]
    cells = [str(len(values)), *numbers, f"{near}/{len(values)}", f"{max(values) - values[0]:.2f}"]
    return dict(zip(headers, cells, strict=True))
