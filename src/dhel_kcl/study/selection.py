"""Step 5: choose one setting per data set, loss and batch size by validation accuracy.

Ties go to the lower validation cross-entropy, then to the earlier grid point. Test results are never read.

Example:
    python -m dhel_kcl.study.selection --candidates run_a/seed0 run_b/seed0 --out selected.json
"""

from pathlib import Path
from typing import Any

from dhel_kcl.runtime import cli
from dhel_kcl.runtime.files import read_json, reading, write_json


def best(candidates: list[dict[str, Any]]) -> dict[str, Any]:
    """The candidate of highest "validation_accuracy", then lowest "validation_cross_entropy", then first."""
    return min(candidates, key=lambda c: (-c["validation_accuracy"], c["validation_cross_entropy"]))


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--candidates", required=True, nargs="+", type=Path, help="folders of the grid's runs")
    parser.add_argument("--out", required=True, type=Path, help="file to write (selected.json)")
    args = parser.parse_args()
    candidates = []
    for folder in args.candidates:
        with reading(folder, "delete it and run again to rebuild it"):
            validation = read_json(folder / "probe.json")["validation"]
            candidates.append(
                {
                    "run": folder.parent.name,
                    "loss": read_json(folder / "spec.json")["loss"],
                    "validation_accuracy": float(validation["accuracy"]),
                    "validation_cross_entropy": float(validation["cross_entropy"]),
                }
            )
    write_json(args.out, best(candidates) | {"candidates": candidates})


if __name__ == "__main__":
    cli.run(main)
