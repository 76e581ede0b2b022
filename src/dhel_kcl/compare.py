"""Compare the metrics of a rerun with the committed ones, against stated tolerances.

On the machine and versions that made the committed metrics the differences are 0. On others float32 sums round
differently, training amplifies that, and selection may pick another grid point: the tolerances are about three
standard deviations between seeds, not rounding errors.

Example:
    python -m dhel_kcl.compare results/digits/metrics.json
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dhel_kcl import cli
from dhel_kcl.files import read_json

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


def compare(committed: dict[str, Any], rerun: dict[str, Any]) -> tuple[list[str], list[str]]:
    """A line for each metric's largest difference, and a line for each difference beyond its tolerance."""
    before, after = dict(leaves(committed)), dict(leaves(rerun))
    beyond = [f"{'.'.join(path)}: only in one of the two" for path in sorted(before.keys() ^ after.keys())]
    largest: dict[str, float] = {}
    for path in before.keys() & after.keys():
        difference = abs(before[path] - after[path])
        largest[path[-1]] = max(largest.get(path[-1], 0.0), difference)
        if difference > TOLERANCES[path[-1]]:
            beyond.append(f"{'.'.join(path)}: {before[path]:.4g} committed, {after[path]:.4g} now")
    lines = [
        f"{name}: largest difference {largest[name]:.4g}, tolerance {TOLERANCES[name]:g}" for name in sorted(largest)
    ]
    return lines, sorted(beyond)


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("metrics", nargs="+", type=Path, help="metrics.json of a rerun, inside the repository")
    parser.add_argument("--revision", default="HEAD", help="commit to compare with")
    args = parser.parse_args()
    failed = False
    for path in args.metrics:
        command = ["git", "show", f"{args.revision}:./{path.name}"]
        shown = subprocess.run(command, cwd=path.parent, capture_output=True, text=True)
        if shown.returncode:
            raise ValueError(f"{path} is not in {args.revision}: {shown.stderr.strip()}")
        lines, beyond = compare(json.loads(shown.stdout), read_json(path))
        print("\n".join([f"{path} against {args.revision}", *lines, *[f"BEYOND TOLERANCE {line}" for line in beyond]]))
        failed |= bool(beyond)
    if failed:
        raise SystemExit(1)


if __name__ == "__main__":
    cli.run(main)
