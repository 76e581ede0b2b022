import sys

import pandas as pd
import pytest

from dhel_kcl.runtime import speed
from dhel_kcl.steps import plan
from dhel_kcl.study.suite import Suite
from tests.pipeline import ROOT


@pytest.fixture
def main(monkeypatch, tmp_path):
    """Runs the step in this process, in an empty folder; every speed is 1,000 images a second."""
    monkeypatch.chdir(tmp_path)
    for kind in (speed.TrainingBenchmark, speed.EmbeddingBenchmark):
        monkeypatch.setattr(kind, "measure", lambda benchmark, place, seconds: 1000.0)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["dhel-kcl plan", "--root", str(ROOT), "--device", "cpu", *arguments])
        plan.main()

    return run


def trainings(suite):
    return len([run for run in Suite.load(ROOT, suite).runs if run.method not in ("pixels", "random")])


def test_the_plan_is_printed_with_hours_or_without_measuring(main, capsys, tmp_path):
    main("--suite", "digits")
    text = capsys.readouterr().out
    assert text.startswith(f"digits: {trainings('digits')} trainings, 0 of them done")
    assert "core-hours to do" in text
    assert (tmp_path / "scratch/throughput.json").is_file()
    main("--suite", "paper", "--no-measure")
    text = capsys.readouterr().out
    assert text.startswith(f"paper: {trainings('paper')} trainings, 0 of them done")
    assert "hours" not in text


def test_planned_speeds_are_written_for_every_data_set_and_batch_size(main, tmp_path):
    main("--suite", "digits", "--out", str(tmp_path / "results/runs/digits/plan.csv"))
    table = pd.read_csv(tmp_path / "results/runs/digits/plan.csv")
    assert table.columns.tolist() == ["dataset", "batch_size", "views_per_second"]
    assert sorted(table.batch_size) == [16, 64, 128]
    assert (table.views_per_second == 1000).all()
