"""The plan's counts against what the steps do."""

import json
from pathlib import Path

import pytest
import torch

from dhel_kcl.steps import plan
from dhel_kcl.study import job_counts
from dhel_kcl.study.config import suite_names
from dhel_kcl.study.suite import Suite
from tests.pipeline import ROOT

DIGITS = Suite.load(ROOT, "digits")


@pytest.fixture
def done(tmp_path, monkeypatch):
    """Records of the first two trainings of the digits suite in the working folder, one of them evaluated."""
    monkeypatch.chdir(tmp_path)
    for number, run in enumerate(run for run in DIGITS.runs[:2]):
        folder = Path(run.folder)
        folder.mkdir(parents=True)
        (folder / "provenance.json").write_text(json.dumps({"training_seconds": 1800.0}))
        if number == 0:
            (folder / "probe.json").write_text("{}")


@pytest.mark.parametrize("name", suite_names(ROOT))
def test_every_job_of_a_suite_is_planned_once(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    suite = Suite.load(ROOT, name)
    rows = [*plan.training_rows(suite, "fp32"), *plan.evaluation_rows(suite)]
    trained = [run for run in suite.runs if run.method not in ("pixels", "random")]
    assert sum(row.jobs for row in rows if row.kind == "training") == len(trained)
    views = sum(job_counts.views(suite, run) for run in trained)
    assert sum(row.left for row in rows if row.kind == "training") == views
    evaluations = len([run for run in suite.runs if run.trained]) + sum(len(suite.transfers(run)) for run in suite.runs)
    assert sum(row.jobs for row in rows if row.kind == "plain") == evaluations


def test_what_is_done_is_taken_off(done):
    rows = [*plan.training_rows(DIGITS, "fp32"), *plan.evaluation_rows(DIGITS)]
    first = rows[0]
    assert (first.what, first.batch_size, first.jobs, first.done) == ("grid", 16, 15, 2)
    assert first.left == 13 * first.images
    assert first.spent == 3600
    evaluations = next(row for row in rows if row.what == "evaluations")
    assert (evaluations.jobs, evaluations.done) == (len([run for run in DIGITS.runs if run.trained]), 1)


def test_the_hours_are_the_images_over_the_measured_rate(done, monkeypatch):
    monkeypatch.setattr(plan, "measure", lambda cell, place: 1000.0)
    rows = plan.training_rows(DIGITS, "fp32")
    rates = plan.throughput([row.cell for row in rows], torch.device("cpu"))
    text = plan.report(DIGITS, rows, rates, "core-hours", threads=2)
    hours = sum(row.left for row in rows) / 1000 / 3600 * 2
    assert f"{hours:.2g}" == "4.6", "the views left at 1,000 a second, on two cores"
    total = next(line for line in text.splitlines() if line.startswith("all "))
    assert "4.6" in total.split()
    assert plan.THROUGHPUT.is_file()
    monkeypatch.setattr(plan, "measure", lambda cell, place: pytest.fail("measured again"))
    assert plan.throughput([row.cell for row in rows], torch.device("cpu")) == rates
    monkeypatch.setattr(plan.science, "of_pretraining", lambda loss, backbone, images: "other code")
    with pytest.raises(pytest.fail.Exception, match="measured again"):
        plan.throughput([rows[0].cell], torch.device("cpu"))


@pytest.mark.parametrize("what", ["training", "evaluation"])
def test_a_rate_is_measured_with_the_packages_own_steps(what):
    run = DIGITS.runs[0]
    cell = (
        plan.training_cell(DIGITS, run, "fp32")
        if what == "training"
        else plan.evaluation_cell(DIGITS, *["digits"] * 2, "plain")
    )
    assert 100 < plan.measure(json.loads(cell), torch.device("cpu"), seconds=0.2) < 1e7
