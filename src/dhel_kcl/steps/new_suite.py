"""Write a suite for your own images, with settings that fit, comments, and what it costs on this machine.

The images lie in a folder with one sub-folder a class, below train, val and test where there are such; otherwise
validation and test images are drawn by a seed. Images without a class may lie in a folder unlabeled.

Example:
    dhel-kcl new-suite mine --images /path/to/images --size 64
"""

from pathlib import Path

import torch

from dhel_kcl.files import write_text
from dhel_kcl.runtime import cli, cost, speed
from dhel_kcl.study import layout
from dhel_kcl.study.config import taken_names
from dhel_kcl.study.new_suite import NewSuite
from dhel_kcl.study.suite import Suite
from dhel_kcl.training import device


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("name", help="name of the suite and of the data set: a-z, 0-9 and _")
    parser.add_argument("--images", required=True, type=Path, help="folder of the images")
    parser.add_argument("--size", default=64, type=int, help="height and width that the network sees, pixels")
    parser.add_argument("--root", default=Path(), type=Path, help="repository folder, whose config is written")
    args = parser.parse_args()

    path = args.root / layout.SUITE_CONFIG.format(suite=args.name)
    if not (config := args.root / layout.GLOBAL_CONFIG).is_file():
        raise FileNotFoundError(f"{config} is not there: run this in the repository's folder, or name it with --root")
    if path.exists():
        raise FileExistsError(f"{path} is there already; choose another name, or delete it")
    if args.name in (taken := taken_names(args.root)):
        raise ValueError(f"{args.name!r} is taken, as are {', '.join(taken)}; choose another")
    new = NewSuite.of(args.name, args.images.expanduser(), args.size)
    try:
        write_text(path, new.text("not measured"))
        # In the repository's folder, where Snakemake's plan of the suite looks for them.
        spent = measured(Suite.load(args.root, args.name), args.root / layout.THROUGHPUT)
        write_text(path, new.text(spent))
    except BaseException:  # a suite that is not complete would stop all others
        path.unlink(missing_ok=True)
        raise
    print(f"{path} written: {spent}. Read it, then: snakemake --cores all {args.name}")


def measured(suite: Suite, rates_of: Path) -> str:
    """What the suite's trainings and evaluations take on this device, in words."""
    place, precision = device.choose(suite.config.device, suite.config.precision)
    works = cost.of_suite(suite, precision)
    rates = speed.measured([work.benchmark for work in works], place, rates_of)
    hours = cost.Hours(rates, of_cores=place.type != "cuda")
    trainings = sum(work.jobs for work in works if work.kind == "training")
    total = cost.short(sum(map(hours.left, works)))
    return f"{trainings} trainings, about {total} {hours.unit} ({speed.name_of(place)}, torch {torch.__version__})"
