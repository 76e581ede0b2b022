"""What the results of a suite, and of the theory, came from: digests of config and code, for provenance.json."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dhel_kcl.evidence.figures import FIGURES, figures_of
from dhel_kcl.evidence.tables import TABLES, tables_of
from dhel_kcl.files import read_json
from dhel_kcl.runtime import provenance, science
from dhel_kcl.runtime.digest import RUNNING, Code
from dhel_kcl.study.suite import Suite
from dhel_kcl.theory import EXPERIMENTS

ORIGINS = {"runs": "the runs", "tidy": "the tidy tables", "evidence": "ledger, tables and figures"}
"""What provenance.json keeps apart: remaking one must not make the others look stale, or fresh. That of a joint suite
has the runs of each suite that it joins, RUNS_OF."""
RUNS_OF = "runs of {}"
PLANNED = "DHEL_KCL_PLANNED"
"""Environment variable by which a job on a cluster's node learns what it was planned by, as `of_study`."""

Origins = dict[str, dict[str, Any]]
"""{origin: {"config": digest, "code": {step: digest}}}."""


def of_suite(suite: Suite, code: Code = RUNNING) -> Origins:
    """Digests of the tree, for a suite; `code` is the package's source, by default the one that is running."""
    step, tree = "join" if suite.is_joint else "collect", {}
    for part in suite.parts:
        origin = RUNS_OF.format(part.name) if suite.is_joint else "runs"
        tree[origin] = {"config": part.runs_digest(), "code": of_runs(part, code)}
    return tree | {
        "tidy": {"config": suite.digest(), "code": {step: science.of_step(step, code)}},
        "evidence": {"config": suite.digest(), "code": of_evidence(suite, code)},
    }


def of_study(suites: Iterable[Suite], code: Code = RUNNING) -> str:
    """One digest of config and code behind the runs of these suites."""
    parts = {suite.name: [suite.runs_digest(), of_runs(suite, code)] for suite in suites if not suite.is_joint}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def of_theory(code: Code = RUNNING) -> Origins:
    """Digests of the tree, for the theory."""
    experiments = {f"theory {name}": science.of_theory(name, code) for name in EXPERIMENTS}
    figures = {f"figure {name}": science.of_theory_figure(name, code) for name in EXPERIMENTS}
    tables = {"tables": science.of_step("theory tables", code)}
    return {"runs": {"code": experiments}, "evidence": {"code": tables | figures}}


def of_runs(suite: Suite, code: Code = RUNNING) -> dict[str, str]:
    """Digests of the code that a suite's runs come from, by step."""
    digests = {f"fetch {dataset}": science.of_fetching(dataset, code) for dataset in suite.all_datasets}
    digests["split"] = science.of_step("split", code)
    for run in suite.runs:
        if run.trained:
            digests[f"pretrain {run.dataset} {run.method}"] = science.of_run(suite, run, code)
        for target in suite.transfers(run):
            digests[f"transfer {run.dataset} {target}"] = science.of_evaluation(suite, run.dataset, target, code)
    digests |= {f"evaluate {dataset}": science.of_evaluation(suite, dataset, code=code) for dataset in suite.datasets}
    return digests | {"select": science.of_step("select", code)}


def of_evidence(suite: Suite, code: Code = RUNNING) -> dict[str, str]:
    """Digests of the code that a suite's ledger, tables and figures come from, by step; and of the plan, with which the
    ledger compares that of the runs."""
    digests = {"judge": science.of_step("judge", code), "plan": str(provenance.planned()["plan"])}
    digests |= {f"table {name}": science.of_exhibit(TABLES[name], code) for name in tables_of(suite)}
    return digests | {f"figure {name}": science.of_exhibit(FIGURES[name], code) for name in figures_of(suite)}


def changed(recorded: Origins, tree: Origins) -> dict[str, list[str]]:
    """What changed in each origin between a record and the tree; a suite that was not there to be joined is left
    out."""
    return {
        origin: differences(recorded.get(origin, {}), now)
        for origin, now in tree.items()
        if origin in recorded or origin in ORIGINS
    }


def differences(recorded: dict[str, Any], tree: dict[str, Any]) -> list[str]:
    """What changed in one origin between a record and the tree."""
    changed = [] if recorded.get("config") == tree.get("config") else ["config"]
    before, now = recorded.get("code", {}), tree["code"]
    return changed + [name for name in sorted(before.keys() | now.keys()) if before.get(name) != now.get(name)]


def earlier_code(path: Path, suite: Suite) -> str:
    """What readers must know of a suite whose runs, by the record at `path`, were made with other code than the tree's;
    nothing if they were not."""
    recorded = read_json(path) if path.is_file() else {}
    stale = [name for name, what in changed(recorded, of_suite(suite)).items() if what and name.startswith("runs")]
    if not stale:
        return ""
    made = [revision for name in stale for revision in recorded.get(name, {}).get("made", {}).get("git_revision", {})]
    revisions = ", ".join(sorted({revision[:10] for revision in made}))
    return f"Computed with earlier code{f' (revision {revisions})' if revisions else ''}."
