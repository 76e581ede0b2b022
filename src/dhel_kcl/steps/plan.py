"""Say what a suite costs before it is run: jobs, views, hours on this device, disk; what is done is taken off.

Hours follow from benchmarks of some seconds, one for each kind of training step, kept in scratch/throughput.json. With
--out, writes the planned speed of each kind of training as CSV instead, which the cost table compares with what runs
took. With --warn, says only what takes far longer here than where it was meant for: bf16 on a processor without it, and
a suite for a GPU where there is none.

Example:
    dhel-kcl plan --root . --suite cifar10
"""

from pathlib import Path

import torch

from dhel_kcl.files import write_rows
from dhel_kcl.runtime import cli, cost, speed
from dhel_kcl.study import layout
from dhel_kcl.study.suite import Suite
from dhel_kcl.training import cores, device

CACHE = Path(layout.THROUGHPUT)
LONG = 24
"""Hours of a machine from which on a suite that may use a GPU is meant for one."""


def main() -> None:
    parser = cli.suite_parser(__doc__)
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], help="device to measure on (default: the suite's)")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--out", type=Path, help="file to write (plan.csv)")
    what.add_argument("--no-measure", action="store_true", help="counts and disk alone, no hours")
    what.add_argument(
        "--warn", action="store_true", help="warn of a machine without bf16 or a GPU that the suite is meant for"
    )
    args = parser.parse_args()

    suite = Suite.load(args.root, args.suite)
    asked = args.device or device_of(suite)
    if args.warn and asked == "cuda":
        return
    emulated = sorted({emulation(asked, part) for part in suite.parts} - {""})
    if args.warn:
        print("\n".join(emulated), end="\n" if emulated else "")
        if asked != "auto" or torch.cuda.is_available():
            return
    place, _ = device.choose(asked)
    precisions = {part.name: device.choose(asked, part.config.precision)[1] for part in suite.parts}
    if args.out and suite.is_joint:
        raise ValueError(f"{suite.name} trains nothing: ask for --out of one of {', '.join(suite.configs)}")
    if args.out:
        write_rows(args.out, cost.planned_speeds(suite, precisions[suite.name], place, CACHE))
        return
    works = [work for part in suite.parts for work in cost.of_suite(part, precisions[part.name])]
    notes = [*emulated, *sorted({cores.shortage(part.config.threads) for part in suite.parts} - {""})]
    if args.no_measure:
        print(cost.text(suite, works, None), *notes, sep="\n\n")
        return
    rates = speed.measured([work.benchmark for work in works], place, CACHE)
    hours = cost.Hours(rates, of_cores=place.type != "cuda")
    if args.warn:
        warn(suite, sum(map(hours.left, works)) / cores.available())
        return
    measured = f"measured on {speed.name_of(place)}, {', '.join(sorted(set(precisions.values())))}; kept in {CACHE}"
    print(cost.text(suite, works, hours), "", measured, *notes, sep="\n")


def device_of(suite: Suite) -> str:
    """Where a suite computes. Raises ValueError for a joint one whose suites differ in that."""
    devices = {part.config.device for part in suite.parts}
    if len(devices) > 1:
        names = ", ".join(sorted(devices))
        raise ValueError(f"{suite.name}: its suites have device: {names}; say which it is with --device")
    return devices.pop()


def emulation(asked: str, suite: Suite) -> str:
    """What there is to say where a suite asks for bf16 and the device only emulates it; nothing otherwise."""
    if suite.config.precision != "bf16" or device.choose(asked, "auto")[1] == "bf16":
        return ""
    return (
        f"{suite.name}: precision: bf16 is asked for, which this machine only emulates, some ten times as slow as "
        f"float32. Set `precision: fp32` in config/suites/{suite.name}.yaml first: changed later, it trains all anew"
    )


def warn(suite: Suite, hours: float) -> None:
    """Say that a suite for a GPU has none, where it takes long."""
    if hours > LONG:
        print(
            f"{suite.name} is meant for a GPU, and there is none here: what is left of it takes about {hours:,.0f} "
            f"hours of this machine's {cores.available()} cores (`make plan SUITE={suite.name}`)."
        )
