import json
from dataclasses import replace
from pathlib import Path

import pytest

from dhel_kcl.files import DamagedError
from dhel_kcl.runtime import cost
from dhel_kcl.study import job_counts
from dhel_kcl.study.config import suite_names
from dhel_kcl.study.suite import Suite
from tests.pipeline import ROOT

DIGITS = Suite.load(ROOT, "digits")
REHEARSAL = Suite.load(ROOT, "rehearsal")


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


def test_a_record_without_its_seconds_is_named_with_the_remedy(done):
    (Path(DIGITS.runs[0].folder) / "provenance.json").write_text("{}")
    with pytest.raises(DamagedError, match=r"seed\d+/provenance\.json is damaged .*delete its folder and run again"):
        cost.of_trainings(DIGITS, "fp32")


@pytest.mark.parametrize("name", suite_names(ROOT))
def test_every_job_of_a_suite_is_planned_once(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    suite = Suite.load(ROOT, name)
    trainings, evaluations = cost.of_trainings(suite, "fp32"), list(cost.of_evaluations(suite))
    trained = [run for run in suite.runs if run.method not in ("pixels", "random")]
    assert sum(work.jobs for work in trainings) == len(trained)
    assert sum(work.left for work in trainings) == sum(job_counts.views(suite, run) for run in trained)
    expected = len([run for run in suite.runs if run.trained]) + sum(len(suite.transfers(run)) for run in suite.runs)
    assert sum(work.jobs for work in evaluations if work.kind == "plain") == expected


def test_a_transfer_has_no_augmented_probe():
    """Whatever the data set's own evaluation has: the step transfer leaves it out."""
    kinds = {}
    for work in cost.of_evaluations(REHEARSAL):
        kinds.setdefault(work.what.split()[0], set()).add(work.kind)
    assert kinds == {"evaluations": {"plain", "augmented"}, "transfers": {"plain"}}


def test_what_is_done_is_taken_off(done):
    trainings, evaluations = cost.of_trainings(DIGITS, "fp32"), list(cost.of_evaluations(DIGITS))
    first = trainings[0]
    assert (first.what, first.batch_size, first.jobs, first.done) == ("grid", 16, 15, 2)
    assert first.left == 13 * first.images
    assert first.spent == 3600
    [own] = evaluations
    assert (own.what, own.jobs, own.done) == ("evaluations", len([run for run in DIGITS.runs if run.trained]), 1)
    runs, checkpoints = cost.disk(DIGITS)[1:]
    trained = len([run for run in DIGITS.runs if run.trained])
    assert runs.there * trained == runs.needed * 2
    assert checkpoints.there * trained == checkpoints.needed * 2


def test_the_hours_are_the_images_over_the_measured_rate(done):
    works = cost.of_trainings(DIGITS, "fp32")
    works = [
        replace(work, benchmark=replace(work.benchmark, spec=replace(work.benchmark.spec, threads=2))) for work in works
    ]
    hours = cost.Hours({work.benchmark.key: 1000.0 for work in works}, of_cores=True)
    expected = sum(work.left for work in works) / 1000 / 3600 * 2
    text = cost.text(DIGITS, works, hours)
    total = next(line for line in text.splitlines() if line.startswith("all "))
    assert f"{expected:.2g}" in total.split(), "the views left at 1,000 a second, on two cores"
    assert "core-hours to do" in text
    assert "hours" not in cost.text(DIGITS, works, None)
    on_gpu = cost.text(DIGITS, works, replace(hours, of_cores=False))
    assert f"{expected / 2:.2g}" in next(line for line in on_gpu.splitlines() if line.startswith("all ")).split()
    assert "GPU-hours to do" in on_gpu


def test_processes_share_a_job_and_not_its_hours_of_gpus():
    suite = Suite.load(ROOT, "rehearsal")
    (dataset,) = [name for name in suite.datasets if suite.settings(name).processes == 2]
    shared = [work for work in cost.of_trainings(suite, "fp32") if work.dataset == dataset]
    assert shared
    hours = cost.Hours({work.benchmark.key: 1000.0 for work in shared}, of_cores=False)
    for work in shared:
        assert hours.each(work) == pytest.approx(work.images / 2000 / 3600)
        assert hours.left(work) == pytest.approx(work.left / 1000 / 3600)
        assert f"{2000:,}" in cost.text(suite, [work], hours)
