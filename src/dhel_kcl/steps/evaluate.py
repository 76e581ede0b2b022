"""Evaluate one run's frozen encoder: linear probes, nearest neighbours, geometry, spectrum, similarities.

Writes into --out: probe.json, predictions.csv, geometry.json, spectrum.csv, similarities.csv. Without --run, of the
raw pixels.

Example:
    dhel-kcl evaluate --spec evaluation.json --run run --data data/digits --split split.npz --out run
"""

import sys
from functools import partial
from pathlib import Path

from tqdm import tqdm

from dhel_kcl.data import split as splits
from dhel_kcl.evaluation.protocol import Report, evaluate
from dhel_kcl.evaluation.spec import EvaluationSpec
from dhel_kcl.files import write_json, write_rows
from dhel_kcl.runtime import cli, science
from dhel_kcl.runtime.allocator import keep_freed_memory
from dhel_kcl.training import cores
from dhel_kcl.training.spec import PretrainSpec


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--spec", required=True, help="EvaluationSpec as a JSON file or text")
    parser.add_argument("--run", type=Path, help="run folder of the pretraining (default: raw pixels as features)")
    parser.add_argument("--data", required=True, type=Path, help="prepared data set")
    parser.add_argument("--split", required=True, type=Path, help="split file")
    parser.add_argument("--out", required=True, type=Path, help="folder to write")
    cli.add_code(parser)
    args = parser.parse_args()

    spec = EvaluationSpec.read(args.spec)
    if args.run:
        backbone = PretrainSpec.read(str(args.run / "spec.json")).backbone["name"]
        science.check(args.code, science.of_evaluating(backbone, spec.images))
    if note := cores.shortage(spec.threads):
        print(note, file=sys.stderr)
    data, split = splits.read_with(args.data, args.split, spec.dataset)
    keep_freed_memory()
    progress = partial(tqdm, unit="step", mininterval=1)
    report = evaluate(spec, args.run, data, split, progress)
    write(args.out, report)


def write(out: Path, report: Report) -> None:
    write_rows(out / "predictions.csv", report.predictions())
    write_rows(out / "spectrum.csv", report.spectra())
    write_rows(out / "similarities.csv", report.histograms())
    write_json(out / "geometry.json", report.geometries())
    write_json(out / "probe.json", report.accuracies())
