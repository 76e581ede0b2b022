import ast
import re
from pathlib import Path

import pytest

from dhel_kcl.runtime.digest import docstrings
from dhel_kcl.study import layout
from dhel_kcl.study.suite import Suite
from tests.pipeline import ROOT

SMOKE, REHEARSAL = Suite.load(ROOT, "smoke"), Suite.load(ROOT, "rehearsal")
PATTERNS = {name: value for name, value in vars(layout).items() if name.isupper() and isinstance(value, str)}


def spelled(path):
    """Texts in a module's code; of a Snakefile all of it but comments."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return re.sub(r"#.*", "", text)
    tree = ast.parse(text)
    documentation = {statement.value for statement in docstrings(tree)}
    texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and node not in documentation]
    return "\n".join(str(node.value) for node in texts)


def test_no_other_module_spells_a_path_of_the_study():
    files = [*(ROOT / "src").rglob("*.py"), ROOT / "Snakefile", *(ROOT / "workflow").rglob("*.smk")]
    assert len(files) > 60
    for path in files:
        found = re.search(r"results/runs/|paper_figures/|results/theory|data/splits|logs/", spelled(path))
        assert path.name == "layout.py" or not found, f"{path}: {found}"


def test_patterns_have_one_name_for_one_thing():
    wildcards = {wildcard for pattern in PATTERNS.values() for wildcard in re.findall(r"\{(\w+)\}", pattern)}
    assert wildcards == {
        *("suite", "dataset", "run", "seed", "target", "file", "method", "batch_size"),
        *("table", "figure", "format", "experiment", "theory_table"),
    }
    assert len(set(PATTERNS.values())) == len(PATTERNS)


@pytest.mark.parametrize("run", SMOKE.runs, ids=lambda run: f"{run.name}/{run.seed}")
def test_functions_fill_the_patterns(run):
    values = {"suite": "smoke", "dataset": run.dataset, "run": run.name, "seed": run.seed}
    assert layout.run_folder(run) == layout.RUN.format(**values)
    assert layout.run_folder(run).startswith(f"{layout.SUITE_RUNS.format(**values)}/")
    assert layout.transfer(run, "stl10") == layout.TRANSFER.format(**values, target="stl10")


def test_the_selected_setting_lies_beside_its_runs():
    for run in SMOKE.runs:
        if run.role == "selected":
            assert Path(layout.selected(run)).parent == Path(run.folder).parent


def test_what_a_run_leaves():
    trained = {run.trained: {file.rsplit("/", 1)[1] for file in layout.run_files(run)} for run in SMOKE.runs}
    assert trained[True] == {*layout.TRAINED, *layout.EVALUATED}
    assert trained[False] == {*layout.EVALUATED}
    assert set(layout.WEIGHTS) < set(layout.TRAINED)
    of_trained = [file for run in SMOKE.runs if run.trained for file in layout.run_files(run)]
    assert layout.run_records(SMOKE) == [file for file in of_trained if file.endswith("/provenance.json")]


@pytest.mark.parametrize("suite", [SMOKE, REHEARSAL], ids=["smoke", "rehearsal"])
def test_lists_of_files(suite):
    transfers = [layout.transfer(run, target) for run in suite.runs for target in suite.transfers(run)]
    assert bool(transfers) == (suite is REHEARSAL)
    collected, versioned = layout.collected(suite), layout.versioned([suite], ["minima"])
    assert len(set(collected)) == len(collected)
    assert len(set(versioned)) == len(versioned)
    weights = {file for file in versioned if file.endswith(".safetensors")}
    assert set(collected) == set(versioned) - weights - {layout.theory_record("minima")}
    assert len(weights) == 2 * len([run for run in suite.runs if run.trained])
    assert set(transfers) <= set(collected)
    completed = {file for run in suite.runs for file in layout.completed(suite, run)}
    assert completed <= set(versioned)
    assert len(completed) == len(suite.runs) + len(weights) // 2 + len(transfers)
    grids = {(run.dataset, run.method, run.batch_size) for run in suite.runs if run.role == "grid"}
    assert len([file for file in collected if file.endswith("selected.json")]) == len(grids)
