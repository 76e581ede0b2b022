"""Choose the setting of a loss by validation accuracy, never by test results.

Ties go to the lower validation cross-entropy, then to the earlier grid point.

Example:
    dhel-kcl select --candidates run_a/seed0 run_b/seed0 --out selected.json
"""

from pathlib import Path

from dhel_kcl.files import read_json, reading, write_json
from dhel_kcl.runtime import cli
from dhel_kcl.study.selection import Candidate, selected


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--candidates", required=True, nargs="+", type=Path, help="folders of the grid's runs")
    parser.add_argument("--out", required=True, type=Path, help="file to write (selected.json)")
    args = parser.parse_args()
    candidates = []
    for folder in args.candidates:
        with reading(folder, "delete it and run again to rebuild it"):
            spec, probe = read_json(folder / "spec.json"), read_json(folder / "probe.json")
            candidates.append(Candidate.of(folder.parent.name, spec, probe))
    write_json(args.out, selected(candidates))
