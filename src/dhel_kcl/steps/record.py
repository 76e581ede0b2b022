"""Step 9: state which config and code a suite's results were computed from, and check that they still are.

Writes provenance.json: digests of the config and of the code behind each step, the Git revisions, versions and
machines of the runs. With --check, compares the digests with the tree instead and exits 1 if they differ.

Example:
    python -m dhel_kcl.steps.record --root . --suite digits --check results/digits/provenance.json
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dhel_kcl.data.catalogue import CATALOGUE
from dhel_kcl.evidence.figures import figures_of
from dhel_kcl.evidence.published import PUBLISHED
from dhel_kcl.evidence.verdicts import ledger_digest
from dhel_kcl.runtime import cli, digest
from dhel_kcl.runtime.files import read_json, sha256, write_json
from dhel_kcl.study.suite import Run, Suite
from dhel_kcl.theory import EXPERIMENTS

RECORDED = ("git_revision", "python", "versions", "platform", "processor", "device", "precision", "threads")


def pretrain_code(suite: Suite, run: Run) -> str:
    """Digest of the code that pretrains a run."""
    return digest.of_pretraining(run.loss, suite.settings(run.dataset)["backbone"]["name"], run.dataset)


def probe_code(suite: Suite, dataset: str, target: str | None = None) -> str:
    """Digest of the code that evaluates the runs of a data set, on its own images or on those of `target`."""
    return digest.of_probing(suite.settings(dataset)["backbone"]["name"], target or dataset)


def fetch_code(dataset: str) -> str:
    """Digest of the code that prepares a data set."""
    return digest.of_step(CATALOGUE[dataset].source.split(":")[0].removeprefix("dhel_kcl."))


def theory_digests() -> dict[str, Any]:
    """Digests of the code behind the theory experiments and their figures."""
    code = {f"theory {name}": digest.of_step(f"theory.{name}") for name in (*EXPERIMENTS, "tables")}
    code |= {f"figure {name}": digest.of_step(f"figures.theory.{name}") for name in EXPERIMENTS}
    return {"code": code}


def digests(suite: Suite) -> dict[str, Any]:
    """Digests of the suite's config and of the code behind every step."""
    code = {f"fetch {dataset}": fetch_code(dataset) for dataset in suite.datasets}
    code |= {f"pretrain {run.dataset} {run.method}": pretrain_code(suite, run) for run in suite.runs if run.trained}
    code |= {f"probe {dataset}": probe_code(suite, dataset) for dataset in suite.datasets}
    code |= {step: digest.of_step(step) for step in ("split", "select", "combine", "claims", "plan", "table")}
    code |= {f"figure {name}": digest.of_step(f"figures.{name}") for name in figures_of(suite)}
    code |= {"statements of the claims": ledger_digest(), "published figures": sha256(PUBLISHED)}
    return {"config": suite.digest(), "code": code}


def differences(recorded: dict[str, Any], current: dict[str, Any]) -> list[str]:
    """What changed between two results of `digests`."""
    changed = [] if recorded.get("config") == current.get("config") else ["config"]
    names = sorted(recorded.get("code", {}).keys() | current["code"].keys())
    return changed + [name for name in names if recorded.get("code", {}).get(name) != current["code"].get(name)]


def counted(folders: Iterable[str]) -> dict[str, dict[str, int]]:
    """How many of the records in these folders have each Git revision, versions, machine, ..."""
    seen: dict[str, Counter[str]] = {key: Counter() for key in RECORDED}
    for folder in folders:
        record = read_json(Path(folder) / "provenance.json")
        for key in RECORDED:
            value = record[key]
            text = " ".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else str(value)
            seen[key][text] += 1
    return {key: dict(count) for key, count in seen.items()}


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--root", default=Path(), type=Path, help="repository folder")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--suite", help="name of the suite")
    what.add_argument("--theory", action="store_true", help="the theory experiments instead of a suite")
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--out", type=Path, help="file to write (provenance.json)")
    action.add_argument("--check", type=Path, help="provenance.json to compare with the tree")
    args = parser.parse_args()
    suite = Suite.load(args.root, args.suite) if args.suite else None
    current = digests(suite) if suite else theory_digests()
    if args.check:
        target = suite.name if suite else "theory"
        if not args.check.is_file():
            raise FileNotFoundError(f"{args.check} is missing; `snakemake --cores all {target}` ends with it")
        changed = differences(read_json(args.check), current)
        if changed:
            raise ValueError(
                f"{args.check} was computed with an earlier version of: {', '.join(changed)}. "
                f"Run `snakemake --cores all {target}` and `dvc repro`, and commit dvc.lock, results and paper_figures"
            )
        print(f"{args.check}: computed with this config and code")
    elif suite:
        trained = [run.folder for run in suite.runs if run.trained]
        write_json(args.out, {"suite": suite.name} | current | {"runs": counted(trained)})
    else:
        experiments = [f"results/runs/theory/{name}" for name in EXPERIMENTS]
        write_json(args.out, current | {"experiments": counted(experiments)})


if __name__ == "__main__":
    cli.run(main)
