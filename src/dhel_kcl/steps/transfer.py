"""Probe one run's frozen encoder on another data set than it was trained on.

Writes what probe.json holds for the run's own data set, by the probe on cached features alone, into the file --out.

Example:
    dhel-kcl transfer --spec evaluation.json --run run --data data/cifar100 --split split.npz --out run/cifar100.json
"""

import sys
from pathlib import Path

from dhel_kcl.data import split as splits
from dhel_kcl.evaluation.spec import EvaluationSpec
from dhel_kcl.evaluation.transfer import transfer
from dhel_kcl.files import write_json
from dhel_kcl.runtime import cli, science
from dhel_kcl.runtime.allocator import keep_freed_memory
from dhel_kcl.training import cores
from dhel_kcl.training.spec import PretrainSpec


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--spec", required=True, help="EvaluationSpec of that data set as a JSON file or text")
    parser.add_argument("--run", required=True, type=Path, help="run folder of the pretraining")
    parser.add_argument("--data", required=True, type=Path, help="prepared data set")
    parser.add_argument("--split", required=True, type=Path, help="split file")
    parser.add_argument("--out", required=True, type=Path, help="file to write")
    cli.add_code(parser)
    args = parser.parse_args()

    spec = EvaluationSpec.read(args.spec)
    backbone = PretrainSpec.read(str(args.run / "spec.json")).backbone["name"]
    science.check(args.code, science.of_transferring(backbone, spec.images))
    if note := cores.shortage(spec.threads):
        print(note, file=sys.stderr)
    data, split = splits.read_with(args.data, args.split, spec.dataset)
    keep_freed_memory()
    write_json(args.out, transfer(spec, args.run, data, split))
