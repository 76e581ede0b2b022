"""Where selected settings lie at the edge of their grid, beyond which nobody looked: that limits verdicts."""

from dhel_kcl.evidence import grids
from dhel_kcl.evidence.dataset_runs import DatasetRuns, Pair


def at_edges(runs: DatasetRuns, pair: Pair) -> str:
    """ "SimCLR: learning_rate = 3.0 at the edge at M = 64", ...: of both losses of a pair."""
    found: dict[str, list[str]] = {}
    for method, size in ((method, size) for method in (pair.of, pair.against) for size in runs.sizes):
        if (method, size) not in runs.cells:
            continue
        points = grids.asked(runs.suite, runs.dataset, method)
        chosen = grids.parameters(runs.cells[method, size]).iloc[0]
        for key, value in grids.at_edge(chosen, points).items():
            found.setdefault(f"{runs.suite.title(method)}: {key} = {value}", []).append(str(size))
    return "; ".join(f"{what} at the edge at M = {', '.join(sizes)}" for what, sizes in found.items())
