"""Record the config and code that results were computed from, or check (--check) that they still are.

provenance.json keeps apart what the runs came from, what the tidy tables came from that were collected from them, and
what ledger, tables and figures came from: digests of config and code, and of the runs their Git revisions, versions and
machines. With --evidence only the last part is written anew, as after remaking the figures from the tidy tables.
--check compares with the tree, and exits 1 if anything differs; of a suite that was planned (confirmatory: true) it
says whether the revisions that trained its runs contain the plan, as far as Git's history is there.

Example:
    dhel-kcl record --root . --suite digits --check results/digits/provenance.json
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dhel_kcl.files import read_json, reading, write_json
from dhel_kcl.runtime import cli
from dhel_kcl.runtime.origins import ORIGINS, RUNS_OF, Origins, changed, of_suite, of_theory
from dhel_kcl.runtime.provenance import history_of_plan
from dhel_kcl.study import layout
from dhel_kcl.study.suite import Suite
from dhel_kcl.theory import EXPERIMENTS

RECORDED = ("git_revision", "python", "versions", "platform", "processor", "device", "precision", "threads")


def circumstances(records: Iterable[Path]) -> dict[str, dict[str, int]]:
    """How many of these runs' records have each Git revision, versions, machine, ...; a GPU by its name."""
    seen: dict[str, Counter[str]] = {key: Counter() for key in RECORDED}
    for path in records:
        record = read_json(path)
        with reading(path, "delete its folder and run again to rebuild it"):
            values = {key: record[key] for key in RECORDED}
        values["device"] = record.get("gpu") or values["device"]
        for key, value in values.items():
            text = " ".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else str(value)
            seen[key][text] += 1
    return {key: dict(count) for key, count in seen.items()}


def runs_of(path: Path) -> Any:
    """What a suite's record says of its runs."""
    with reading(path, "restore it with `git checkout`, or run again to rebuild it"):
        return read_json(path)["runs"]


def check(path: Path, tree: Origins, target: str) -> None:
    """Raise ValueError that names what differs between the record at `path` and the tree, and the remedies."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; `snakemake --cores all {target}` ends with it")
    recorded = read_json(path)
    different = changed(recorded, tree)
    if not any(different.values()):
        print(f"{path}: computed with this config and code")
        return
    found = "; ".join(
        f"{ORIGINS.get(key, f'the {key}')} ({', '.join(names)})" for key, names in different.items() if names
    )
    if any(names for key, names in different.items() if key != "evidence"):
        remedy = f"`snakemake --cores all {target}` and `dvc repro`, and commit dvc.lock, results and paper_figures"
    else:
        remedy = "`make figures`, and commit results and paper_figures"
    raise ValueError(f"{path}: computed with an earlier version of: {found}. Run {remedy}")


def say_what_was_planned(path: Path, suite: Suite) -> None:
    """Of each suite that was planned: whether the revisions of its runs, by the record at `path`, contain the plan."""
    for part in suite.parts:
        if part.config.confirmatory:
            runs = read_json(path).get(RUNS_OF.format(part.name) if suite.is_joint else "runs", {})
            for sentence in history_of_plan(runs.get("made", {}).get("git_revision", {})):
                print(f"{part.name}: {sentence}")


def main() -> None:
    parser = cli.parser(__doc__)
    cli.add_target(parser)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--out", type=Path, help="file to write (provenance.json)")
    action.add_argument("--check", type=Path, help="provenance.json to compare with the tree")
    parser.add_argument("--evidence", action="store_true", help="write ledger, tables and figures anew, keep the rest")
    args = parser.parse_args()
    if args.evidence and not args.out:
        parser.error("--evidence goes with --out")

    suite = Suite.load(args.root, args.suite) if args.suite else None
    tree, target = (of_suite(suite), suite.name) if suite else (of_theory(), "theory")
    if args.check:
        if suite and args.check.is_file():
            say_what_was_planned(args.check, suite)
        check(args.check, tree, target)
        return
    if args.evidence:
        if not args.out.is_file():
            raise FileNotFoundError(
                f"{args.out} is missing; restore it with `git checkout`, or run `snakemake --cores all {target}`"
            )
        write_json(args.out, read_json(args.out) | {"evidence": tree["evidence"]})
        return
    if suite and suite.is_joint:
        recorded = {part.name: Path(layout.SUITE_PROVENANCE.format(suite=part.name)) for part in suite.parts}
        runs = {RUNS_OF.format(name): runs_of(path) for name, path in recorded.items() if path.is_file()}
        write_json(args.out, {"of": target} | runs | {name: tree[name] for name in ("tidy", "evidence")})
        return
    records = layout.run_records(suite) if suite else [layout.theory_record(name) for name in EXPERIMENTS]
    tree["runs"] |= {"made": circumstances(map(Path, records))}
    write_json(args.out, {"of": target} | tree)
