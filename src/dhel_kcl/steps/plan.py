"""Say what a suite costs before it is run: jobs, views, hours on this device, disk; what is done is taken off.

Hours follow from a benchmark of a few seconds per kind of training step, kept in scratch/throughput.json. With --out,
writes the planned speed of each kind of training as CSV instead, which the cost table compares with what runs took.

Example:
    dhel-kcl plan --root . --suite paper
"""

from pathlib import Path

from dhel_kcl.files import write_rows
from dhel_kcl.runtime import cli, cost, speed
from dhel_kcl.study import layout
from dhel_kcl.study.suite import Suite
from dhel_kcl.training import device


def main() -> None:
    parser = cli.suite_parser(__doc__, tables=False)
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], help="device to measure on (default: the suite's)")
    parser.add_argument("--out", type=Path, help="file to write (plan.csv)")
    parser.add_argument("--no-measure", action="store_true", help="counts and disk alone, no hours")
    args = parser.parse_args()

    suite, cache = Suite.load(args.root, args.suite), Path(layout.THROUGHPUT)
    place, precision = device.choose(args.device or suite.config.device, suite.config.precision)
    if args.out:
        write_rows(args.out, cost.planned_speeds(suite, precision, place, cache))
        return
    works = [*cost.of_trainings(suite, precision), *cost.of_evaluations(suite)]
    hours = None
    if not args.no_measure:
        rates = speed.measured([work.benchmark for work in works], place, cache)
        on_gpu = place.type == "cuda"
        hours = cost.Hours(rates, "GPU-hours" if on_gpu else "core-hours", 1 if on_gpu else suite.config.threads)
    print(cost.text(suite, works, hours))
    if hours:
        print(f"\nmeasured on {speed.name_of(place)}, {precision}; kept in {cache}")
