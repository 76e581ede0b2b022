"""The grids of a suite's losses, told by the hyperparameters that runs.csv names: how large, and where they end."""

from collections.abc import Iterable, Sequence

import pandas as pd

from dhel_kcl.study.suite import Suite

RATE = "learning_rate"
"""The hyperparameter that is tuned within each setting of the others."""


def parameters(runs: pd.DataFrame) -> "pd.Series[str]":
    """Hyperparameters of each of some rows of runs.csv, where the cell of a loss without any is empty."""
    return runs.parameters.astype(object).fillna("")


def hyperparameters(text: str) -> dict[str, str]:
    """{"temperature": "0.3", "learning_rate": "1.0"} of "temperature=0.3 learning_rate=1.0"."""
    return dict(entry.split("=", 1) for entry in text.split())


def varied(texts: Sequence[str]) -> list[str]:
    """Hyperparameters that these differ in."""
    named = [hyperparameters(text) for text in texts]
    return [key for key in named[0] if len({each[key] for each in named}) > 1]


def setting(text: str) -> str:
    """Hyperparameters without the learning rate."""
    return " ".join(entry for entry in text.split() if not entry.startswith(f"{RATE}="))


def asked(suite: Suite, dataset: str, method: str) -> list[str]:
    """Hyperparameters of each point of a loss's grid, as in runs.csv."""
    return [point.parameters for point in suite.methods_of(dataset)[method].grid]


def size(texts: Sequence[str]) -> tuple[int, int]:
    """Number of settings and of points: a setting has a point for each of its learning rates."""
    return len({setting(text) for text in texts}), len(texts)


def unequal(suite: Suite, dataset: str, methods: Iterable[str]) -> str:
    """What is wrong if losses are tuned over grids of other sizes, else an empty text."""
    sizes = {method: size(asked(suite, dataset, method)) for method in methods}
    if len(set(sizes.values())) < 2:
        return ""
    said = [
        f"{suite.title(method)} has {points} points of {settings} settings"
        for method, (settings, points) in sizes.items()
    ]
    return f"unequal grids: {', '.join(said)}"


def at_edge(chosen: str, points: Sequence[str]) -> dict[str, str]:
    """Hyperparameters of a point that lie at an end of their axis: the least or largest of two numbers or more, beyond
    which nobody looked."""
    found = {}
    for key, value in hyperparameters(chosen).items():
        values = {hyperparameters(point).get(key, "") for point in points}
        if len(values) > 1 and all(map(_is_number, values)):
            numbers = sorted(map(float, values))
            if float(value) in (numbers[0], numbers[-1]):
                found[key] = value
    return found


def equal_in(suite: Suite, dataset: str) -> str:
    """What the judged trainings of all batch sizes share: "epochs" or "updates"."""
    settings = suite.settings(dataset)
    return (settings.final.training if settings.final else settings.training).shared(settings.batch_sizes)


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).replace("e-", "", 1).isdecimal()
