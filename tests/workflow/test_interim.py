"""Results of a suite that is not finished, or whose statements changed, on what a finished smoke suite left."""

import shutil
import sys

import pandas as pd
import pytest

from dhel_kcl.evidence import collect as combine
from dhel_kcl.evidence.tidy import Results
from dhel_kcl.files import DamagedError, read_json, write_json
from dhel_kcl.study.suite import Suite
from tests.pipeline import COMBINED, ROOT, edit, jobs


@pytest.fixture
def gather(project, tmp_path, monkeypatch):
    """Function that runs the step on a copy of the run folders; its folder is the current one."""
    shutil.copytree(project / "results/runs", tmp_path / "results/runs")
    monkeypatch.chdir(tmp_path)

    def gather(*options):
        monkeypatch.setattr(sys, "argv", ["combine", "--root", str(ROOT), "--suite", "smoke", "--out", "out", *options])
        combine.main()
        return pd.read_csv("out/runs.csv")

    return gather


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "results/runs/smoke/digits"


def test_absent_runs_are_left_out_of_a_partial_gathering_alone(gather, runs):
    everything = gather()
    pd.testing.assert_frame_equal(gather("--partial"), everything)
    shutil.rmtree(runs / "simclr_m16_selected/seed1")
    (runs / "random/seed0/geometry.json").unlink()
    rest = gather("--partial")
    gone = (everything.method == "random") | ((everything.method == "simclr") & (everything.role == "selected"))
    pd.testing.assert_frame_equal(rest, everything[~gone].reset_index(drop=True), check_dtype=False)
    with pytest.raises(FileNotFoundError):
        gather()


def test_a_setting_not_yet_selected_leaves_its_grid(gather, runs):
    shutil.rmtree(runs / "simclr_m16_selected")
    grid = gather("--partial").query("method == 'simclr'")
    assert grid.role.tolist() == ["grid", "grid"]
    assert not grid.selected.any()


def test_damaged_and_foreign_runs_are_refused_in_either_case(gather, runs):
    spec = runs / "supervised/seed0/spec.json"
    shutil.copy(spec, "spec.json")
    write_json(spec, read_json(spec) | {"batch_size": 17})
    with pytest.raises(DamagedError, match="another config or code"):
        gather("--partial")
    shutil.copy("spec.json", spec)
    probe = runs / "pixels/seed0/probe.json"
    shutil.copy(probe, "probe.json")
    record = read_json(probe)
    write_json(probe, record | {"spec": record["spec"] | {"weight_decay": 0.5}})
    with pytest.raises(DamagedError, match=r"pixels/seed0/probe.json was made with another config of the probe"):
        gather("--partial")
    shutil.copy("probe.json", probe)
    predictions = runs / "supervised/seed0/predictions.csv"
    text = predictions.read_text()
    predictions.write_text(text[: text.rstrip().rindex("\n") + 1])
    with pytest.raises(DamagedError, match="supervised"):
        gather("--partial")


def test_nothing_finished_is_said(gather, runs):
    shutil.rmtree(runs)
    with pytest.raises(ValueError, match="no run of suite smoke is complete"):
        gather("--partial")


def test_predictions_give_the_accuracy(gather, tmp_path):
    runs = gather()
    correct = Results(tmp_path / "out", Suite.load(ROOT, "smoke")).correct
    mean = runs[(runs.method == "simclr") & runs.selected].test_accuracy.mean()
    assert 100 * correct["digits", "simclr", 16].mean() == pytest.approx(mean)


def test_a_changed_statement_is_judged_anew(clone):
    edit(clone, "src/dhel_kcl/claims.yaml", "margin: 1.0", "margin: 0.5")
    assert jobs(clone) == COMBINED - {"collect_results"}
    edit(clone, "src/dhel_kcl/claims.yaml", "margin: 0.5", "margin: 1.0  # point")
    assert jobs(clone) == set()
