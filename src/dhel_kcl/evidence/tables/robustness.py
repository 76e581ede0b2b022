"""How much the choice of hyperparameters matters: test accuracies over each loss's grid, one seed a point."""

from collections.abc import Sequence

import pandas as pd

from dhel_kcl.evidence import ledger
from dhel_kcl.evidence.estimates import expected_best_of
from dhel_kcl.evidence.tidy import Results, where
from dhel_kcl.presentation.table_files import NOT_RUN
from dhel_kcl.study.suite import Run, dataset_title


def tabulate(results: Results) -> pd.DataFrame:
    """Test accuracy (%) over grids of two points or more; picked on validation, as `select` does."""
    close, rows = ledger.read().close, []
    grid = where(results.runs, role="grid")
    for dataset in results.datasets:
        for method in results.methods("losses", dataset):
            for size in results.sizes(dataset):
                asked = results.suite.candidates(dataset, method, size)
                if len(asked) < 2:
                    continue
                points = in_order_of_choice(where(grid, dataset=dataset, method=method, batch_size=size))
                row = {"data set": dataset_title(dataset), "loss": results.suite.title(method), "M": size}
                row["selected"] = selected(points.parameters, asked)
                rows.append(row | spread_over_grid(points.test_accuracy, close))
    return pd.DataFrame(rows)


def in_order_of_choice(points: pd.DataFrame) -> pd.DataFrame:
    """Best on validation first, ties by cross-entropy, then as in the grid."""
    columns = ["validation_accuracy", "validation_cross_entropy"]
    return points.sort_values(columns, ascending=[False, True], kind="stable")


def selected(parameters: pd.Series, candidates: list[Run]) -> str:
    """The first setting's value of what the grid varies, marked where it lies at the edge of three numbers or more,
    beyond which nobody looked."""
    if len(parameters) < len(candidates):
        return NOT_RUN
    chosen = dict(entry.split("=") for entry in parameters.iloc[0].split())
    texts = []
    for key in candidates[0].setting.values:
        values = {run.setting.values[key] for run in candidates}
        numbers = sorted(float(value) for value in values if isinstance(value, int | float))
        at_edge = len(numbers) > 2 and float(chosen[key]) in (numbers[0], numbers[-1])
        texts += [f"{key}={chosen[key]}" + " (edge)" * at_edge] if len(values) > 1 else []
    return " ".join(texts)


def spread_over_grid(accuracy: Sequence[float] | pd.Series, close: float) -> dict[str, str]:
    """What a setting picked in one way or another gives.

    Args:
        accuracy: in the order of choice on validation.
        close: points of accuracy within which a setting is as good as the best.
    """
    values = list(accuracy)
    headers = ["points", "expected of 1", "expected best of 2", "best on validation", "worst on validation", "least"]
    headers += [f"within {close:g} point of the best", "gain if selected on test"]
    if not values:
        return dict.fromkeys(headers, NOT_RUN)
    near = sum(value >= max(values) - close for value in values)
    two = expected_best_of(min(2, len(values)), values)
    numbers = [f"{number:.2f}" for number in (expected_best_of(1, values), two, values[0], values[-1], min(values))]
    cells = [str(len(values)), *numbers, f"{near}/{len(values)}", f"{max(values) - values[0]:.2f}"]
    return dict(zip(headers, cells, strict=True))
