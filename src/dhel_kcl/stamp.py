"""Step 8: state which config and code a suite's results were computed from, and check that they still are.

Writes provenance.json: digests of the config and of the code behind each step, the Git revisions, versions and
machines of the runs. With --check, compares the digests with the tree instead and exits 1 if they differ.

Example:
    python -m dhel_kcl.stamp --root . --suite digits --check results/digits/provenance.json
"""

from collections import Counter
from pathlib import Path
from typing import Any

from dhel_kcl import cli, digest
from dhel_kcl.figures import FIGURES
from dhel_kcl.files import read_json, write_json
from dhel_kcl.suite import Run, Suite

RECORDED = ("git_revision", "python", "versions", "platform", "processor", "device", "precision", "threads")


def pretrain_code(suite: Suite, run: Run) -> str:
    """Digest of the code that pretrains a run."""
    return digest.of_pretraining(run.loss, suite.config["backbone"]["name"])


def probe_code(suite: Suite) -> str:
    """Digest of the code that evaluates a run."""
    return digest.of_step("probe", (("backbone", suite.config["backbone"]["name"]),))


def fetch_code(dataset: str) -> str:
    """Digest of the code that prepares a data set."""
    return digest.of_step("fetch", (("dataset", dataset),))


def digests(suite: Suite) -> dict[str, Any]:
    """Digests of the suite's config and of the code behind every step."""
    code = {f"fetch {dataset}": fetch_code(dataset) for dataset in suite.datasets}
    code |= {f"pretrain {run.method}": pretrain_code(suite, run) for run in suite.runs if run.trained}
    code |= {"probe": probe_code(suite)}
    code |= {step: digest.of_step(step) for step in ("split", "select", "combine", "table")}
    code |= {f"figure {name}": digest.of_step(f"figures.{name}") for name in FIGURES}
    return {"config": suite.digest(), "code": code}


def differences(recorded: dict[str, Any], current: dict[str, Any]) -> list[str]:
    """What changed between two results of `digests`."""
    changed = [] if recorded.get("config") == current["config"] else ["config"]
    names = sorted(recorded.get("code", {}).keys() | current["code"].keys())
    return changed + [name for name in names if recorded.get("code", {}).get(name) != current["code"].get(name)]


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--root", required=True, type=Path, help="repository folder")
    parser.add_argument("--suite", required=True, help="name of the suite")
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--out", type=Path, help="file to write (provenance.json)")
    action.add_argument("--check", type=Path, help="provenance.json to compare with the tree")
    args = parser.parse_args()
    suite = Suite.load(args.root, args.suite)
    current = digests(suite)
    if args.check:
        changed = differences(read_json(args.check), current)
        if changed:
            raise ValueError(
                f"{args.check} was computed with an earlier version of: {', '.join(changed)}. "
                "Run `make reproduce` and commit dvc.lock, results and paper_figures"
            )
        print(f"{args.check}: computed with this config and code")
        return
    seen: dict[str, Counter[str]] = {key: Counter() for key in RECORDED}
    for run in suite.runs:
        if run.trained:
            record = read_json(Path(run.folder) / "provenance.json")
            for key in RECORDED:
                value = record[key]
                text = " ".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else str(value)
                seen[key][text] += 1
    write_json(args.out, {"suite": suite.name} | current | {"runs": {key: dict(count) for key, count in seen.items()}})


if __name__ == "__main__":
    cli.run(main)
