"""Results of a suite that is not finished, or whose statements changed, on what a finished smoke suite left."""

import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest

from dhel_kcl.evidence.tidy import Results
from dhel_kcl.files import DamagedError
from dhel_kcl.steps import collect, interim
from dhel_kcl.study import layout
from dhel_kcl.study.suite import Suite
from tests.pipeline import COMBINED, ROOT, edit, jobs


@pytest.fixture
def gather(project, tmp_path, monkeypatch):
    """Function that collects from a copy of the run folders; its folder is the current one."""
    for name in ("results/runs", "data/splits"):
        shutil.copytree(project / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)

    def gather(partly=False):
        collect.gather(Suite.load(ROOT, "smoke"), Path("out"), partly)
        return pd.read_csv("out/runs.csv")

    return gather


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "results/runs/smoke/digits"


def test_real_runs_are_gathered_as_they_were(gather, project):
    gather()
    files = [*(f"{name}.csv" for name in layout.TIDY_TABLES), "metrics.json"]
    assert [Path("out", name).read_bytes() for name in files] == [
        (project / "results/smoke" / name).read_bytes() for name in files
    ]


def test_what_a_suite_has_so_far_looks_as_it_will(gather, project, runs, monkeypatch, capsys):
    """Every table, figure and verdict, to the byte where no run is absent; where one is, its cells say so."""
    monkeypatch.setattr(sys, "argv", ["interim", "--root", str(ROOT), "--suite", "smoke", "--out", "interim"])
    interim.main()
    ends = {path.name: path for path in (project / "paper_figures/smoke").iterdir()}
    assert len(ends) > 40
    made = {path.name: path for folder in ("tables", "figures") for path in Path("interim", folder).iterdir()}
    assert {name: path.read_bytes() for name, path in made.items()} == {
        name: path.read_bytes() for name, path in ends.items()
    }
    assert Path("interim/claims.csv").read_bytes() == (project / "results/smoke/claims.csv").read_bytes()
    assert "interim/figures/accuracy" in capsys.readouterr().out
    shutil.rmtree(runs / "random")
    interim.main()
    table = pd.read_csv("interim/tables/linear_evaluation.csv", keep_default_na=False).set_index("loss")
    assert table.loc["floor: random encoder", "M = 16"] == "not run"


def test_absent_runs_are_left_out_of_a_partial_gathering_alone(gather, runs):
    everything = gather()
    pd.testing.assert_frame_equal(gather(partly=True), everything)
    shutil.rmtree(runs / "simclr_m16_selected/seed1")
    (runs / "random/seed0/geometry.json").unlink()
    rest = gather(partly=True)
    gone = (everything.method == "random") | ((everything.method == "simclr") & (everything.role == "selected"))
    pd.testing.assert_frame_equal(rest, everything[~gone].reset_index(drop=True), check_dtype=False)
    with pytest.raises(FileNotFoundError):
        gather()


def test_a_damaged_real_run_is_refused_complete_or_not(gather, runs):
    predictions = runs / "supervised/seed0/predictions.csv"
    text = predictions.read_text()
    predictions.write_text(text[: text.rstrip().rindex("\n") + 1])
    for partly in (False, True):
        with pytest.raises(DamagedError, match=r"supervised/seed0/predictions\.csv is damaged"):
            gather(partly)


def test_predictions_give_the_accuracy(gather, tmp_path):
    runs = gather()
    correct = Results(tmp_path / "out", Suite.load(ROOT, "smoke")).correct
    mean = runs[(runs.method == "simclr") & (runs.section == "final")].test_accuracy.mean()
    assert 100 * correct["digits", "simclr", 16].mean() == pytest.approx(mean)


def test_a_changed_statement_is_judged_anew(clone):
    edit(clone, "src/dhel_kcl/evidence/claims.yaml", "margin: 1.0", "margin: 0.5")
    assert jobs(clone) == COMBINED - {"collect_results"}
    edit(clone, "src/dhel_kcl/evidence/claims.yaml", "margin: 0.5", "margin: 1.0")
    assert jobs(clone) == set()
