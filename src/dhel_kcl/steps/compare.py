"""Compare the metrics of a rerun with the committed ones, against stated tolerances.

On the machine and versions that made the committed metrics the differences are 0. On others float32 sums round
differently and training amplifies that: the tolerances are about three standard deviations between seeds, not rounding
errors. Selection may then pick another grid point, whose geometry is another: it is named, and only its accuracy
compared.

Example:
    python -m dhel_kcl.steps.compare results/digits/metrics.json
"""

import io
import json
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

import pandas as pd

from dhel_kcl.runtime import cli
from dhel_kcl.runtime.files import read_json

TOLERANCES = {
    "test_accuracy": 2.0,  # percentage points
    "validation_accuracy": 2.0,  # percentage points
    "z_effective_rank": 4.0,
    "z_wasserstein_uniformity": 0.03,
    "z_uniformity": 0.3,
    "z_alignment": 0.1,
    "seeds": 0,
}


def leaves(content: dict[str, Any], prefix: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], float]]:
    for key, value in content.items():
        if isinstance(value, dict):
            yield from leaves(value, (*prefix, key))
        else:
            yield (*prefix, key), value


def selected(runs: Path | TextIO) -> dict[tuple[str, ...], str]:
    """{(data set, method, batch size): parameters} of the selected settings in a runs.csv."""
    table = pd.read_csv(runs)
    rows = table[table.selected & table.parameters.notna()].itertuples()
    return {(row.dataset, row.method, f"M{row.batch_size}"): row.parameters for row in rows}


def compare(
    committed: dict[str, Any], rerun: dict[str, Any], moved: Iterable[tuple[str, ...]] = ()
) -> tuple[list[str], list[str]]:
    """A line for each metric's largest difference, and a line for each difference beyond its tolerance.

    moved: configurations with another selected setting, whose geometry (z_...) is not compared.
    """
    before, after = dict(leaves(committed)), dict(leaves(rerun))
    beyond = [f"{'.'.join(path)}: only in one of the two" for path in sorted(before.keys() ^ after.keys())]
    largest: dict[str, float] = {}
    for path in before.keys() & after.keys():
        if path[-1].startswith("z_") and path[:-1] in moved:
            continue
        difference = abs(before[path] - after[path])
        largest[path[-1]] = max(largest.get(path[-1], 0.0), difference)
        if difference > TOLERANCES[path[-1]]:
            beyond.append(f"{'.'.join(path)}: {before[path]:.4g} committed, {after[path]:.4g} now")
    lines = [
        f"{name}: largest difference {largest[name]:.4g}, tolerance {TOLERANCES[name]:g}" for name in sorted(largest)
    ]
    return lines, sorted(beyond)


def shown(path: Path, revision: str) -> str:
    """Content of a file in a commit. Raises ValueError if it is not there."""
    command = ["git", "show", f"{revision}:./{path.name}"]
    result = subprocess.run(command, cwd=path.parent, capture_output=True, text=True)
    if result.returncode:
        raise ValueError(f"{path} is not in {revision}: {result.stderr.strip()}")
    return result.stdout


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("metrics", nargs="+", type=Path, help="metrics.json of a rerun, inside the repository")
    parser.add_argument("--revision", default="HEAD", help="commit to compare with")
    args = parser.parse_args()
    failed = False
    for path in args.metrics:
        runs = path.with_name("runs.csv")
        before, now = selected(io.StringIO(shown(runs, args.revision))), selected(runs)
        moved = [key for key in before if key in now and before[key] != now[key]]
        lines, beyond = compare(json.loads(shown(path, args.revision)), read_json(path), moved)
        other = [f"{'.'.join(key)}: {before[key]} selected in {args.revision}, {now[key]} now" for key in moved]
        beyond = [f"BEYOND TOLERANCE {line}" for line in beyond]
        print("\n".join([f"{path} against {args.revision}", *lines, *other, *beyond]))
        failed |= bool(beyond)
    if failed:
        raise SystemExit(1)


if __name__ == "__main__":
    cli.run(main)
