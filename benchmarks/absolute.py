"""Times that have no baseline but a limit: the exact Wasserstein distance, imports, Snakemake's planning.

Imports are timed beyond that of torch, and `snakemake -n` for the paper's four suites with nothing computed and for
the default target where all its results are there.

Example:
    python benchmarks/absolute.py --output absolute.csv
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from timing import finish

from dhel_kcl.geometry.metrics import unit, wasserstein_uniformity
from dhel_kcl.runtime import cli

ROOT = Path(__file__).parents[1]


def wasserstein() -> float:
    z = unit(np.random.default_rng(0).standard_normal((10_000, 128)))
    start = time.perf_counter()
    wasserstein_uniformity(z)
    return time.perf_counter() - start


def importing(statement: str) -> float:
    """Seconds of an import in a new interpreter that has imported torch."""
    code = f"import time, torch; start = time.perf_counter(); {statement}; print(time.perf_counter() - start)"
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True).stdout)


def planning(*targets: str, folder: str | Path = ROOT) -> tuple[float, str]:
    """Seconds and output of `snakemake -n` with results in a folder. Raises ValueError if it fails."""
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "-n", "--quiet", "rules", "--directory", str(folder)]
    command += ["--", *targets]
    start = time.perf_counter()
    result = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8")
    if result.returncode:
        raise ValueError(f"{' '.join(command)} failed:\n{(result.stdout + result.stderr)[-2000:]}")
    return time.perf_counter() - start, result.stdout + result.stderr


def planning_paper() -> float:
    with tempfile.TemporaryDirectory() as elsewhere:
        return planning("cifar10", "cifar100", "stl10", "imagenet100", folder=elsewhere)[0]


def nothing_to_do() -> float:
    """NaN where there is something to do."""
    try:
        elapsed, output = planning("all")
    except ValueError:
        return float("nan")
    return elapsed if "Nothing to be done" in output else float("nan")


# Name, limit in seconds, measurement.
CASES: list[tuple[str, float, Callable[[], float]]] = [
    ("exact Wasserstein uniformity, N = 10,000", 5, wasserstein),
    ("import of the losses, beyond torch", 0.05, lambda: importing("import dhel_kcl.losses")),
    ("import of a loss, beyond torch", 0.05, lambda: importing("from dhel_kcl.losses import DHELLoss")),
    ("import of a training, beyond torch", 0.2, lambda: importing("import dhel_kcl.training.trainer")),
    ("snakemake -n of the paper's four suites, nothing computed", 10, planning_paper),
    ("snakemake -n, default suite computed", 5, nothing_to_do),
]


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--rounds", default=5, type=int, help="repetitions")
    parser.add_argument("--output", type=Path, help="CSV of the result")
    args = parser.parse_args()
    rows = []
    for what, limit, measurement in CASES:
        low, middle, high = np.quantile([measurement() for _ in range(args.rounds)], [0.25, 0.5, 0.75])
        if np.isnan(middle):
            print(f"not measured: {what}", file=sys.stderr)
            continue
        rows.append({"what": what, "seconds": middle, "seconds_low": low, "seconds_high": high, "limit": limit})
    table = pd.DataFrame(rows)
    finish(table, args.output)


if __name__ == "__main__":
    cli.run(main)
