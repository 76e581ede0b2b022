"""Compute a theory experiment: what it measures, and statements about it with their verdicts.

Writes OUT.csv and OUT.json, and a record of versions, machine and time.

Example:
    dhel-kcl compute --name minima --out results/theory/minima --record provenance.json
"""

import time
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from dhel_kcl.files import write_json, write_text
from dhel_kcl.runtime import cli, science
from dhel_kcl.runtime.provenance import environment
from dhel_kcl.theory import EXPERIMENTS
from dhel_kcl.theory.experiment import PRECISION, THREADS, run


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--name", required=True, choices=EXPERIMENTS, help="experiment")
    parser.add_argument("--out", required=True, type=Path, help="path without extension; .csv and .json are written")
    parser.add_argument("--record", required=True, type=Path, help="file to write versions, machine and time to")
    cli.add_code(parser)
    args = parser.parse_args()

    science.check(args.code, science.of_theory(args.name))
    experiment, started = import_module(f"dhel_kcl.theory.{args.name}"), time.perf_counter()
    result = run(experiment.measure, experiment.judge)
    circumstances = {"device": "cpu", "precision": PRECISION, "threads": THREADS}
    record = environment() | circumstances | {"seconds": time.perf_counter() - started}
    write_text(args.out.with_suffix(".csv"), result.table.to_csv(index=False, lineterminator="\n"))
    write_json(args.out.with_suffix(".json"), [asdict(verdict) for verdict in result.verdicts])
    write_json(args.record, record)
