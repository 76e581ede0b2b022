import shutil
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


def test_a_joint_suite_costs_what_its_suites_cost(main, capsys):
    main("--suite", "paper", "--no-measure")
    text = capsys.readouterr().out
    assert (
        "that is 589 runs; Snakemake counts 585 pretrain (the random encoder too), 589 evaluate (all runs), 54 s"
        in text
    )
    for suite in ("cifar10", "cifar100", "stl10", "imagenet100"):
        assert f"scratch/{suite}, checkpoints" in text


def test_a_joint_suite_has_no_speeds_of_its_own(main, tmp_path):
    with pytest.raises(ValueError, match=r"^paper trains nothing: .* one of cifar10, cifar100, stl10, imagenet100$"):
        main("--suite", "paper", "--out", str(tmp_path / "plan.csv"))
    assert not list(tmp_path.iterdir())


def test_what_is_left_out_is_not_planned(main, capsys, tmp_path):
    shutil.copytree(ROOT / "config", tmp_path / "config")
    path = tmp_path / "config/suites/cifar10.yaml"
    path.write_text(path.read_text().replace("leave_out: []", "leave_out: [causes]"))
    main("--root", str(tmp_path), "--suite", "cifar10", "--no-measure")
    text = capsys.readouterr().out
    assert "cifar10 leaves out: causes" in text
    assert text.count("causes") == 1, "no row of a table names them"
    assert "ablations" in text


@pytest.mark.parametrize("suite", ["cifar10", "paper", "digits", "smoke"])
def test_a_suite_for_a_gpu_is_warned_of_where_there_is_none(main, capsys, suite, monkeypatch):
    """With its hours, before it starts; not one that has a processor named, or takes less than a day."""
    monkeypatch.setattr(plan.torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(plan.cores, "available", lambda: 4)
    main("--suite", suite, "--device", "auto", "--warn")
    said = capsys.readouterr().out
    if suite in ("digits", "smoke"):
        assert said == ""
    else:
        assert said.startswith(f"{suite} is meant for a GPU, and there is none here: what is left of it takes about ")
        assert f"hours of this machine's 4 cores (`make plan SUITE={suite}`)" in said
    monkeypatch.setattr(plan.torch.cuda, "is_available", lambda: True)
    main("--suite", suite, "--device", "auto", "--warn")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("has_bf16", [True, False])
def test_bf16_that_the_processor_only_emulates_is_named_with_its_remedy(main, capsys, monkeypatch, has_bf16):
    """Before trainings start and under a plan; CIFAR-10 for a laptop took ten times as long on one without."""
    monkeypatch.setattr(plan.device, "_multiplies_bf16", lambda place: has_bf16)
    main("--suite", "cifar10_laptop", "--warn")
    said = capsys.readouterr().out
    if has_bf16:
        assert said == ""
        return
    assert said.count("\n") == 1
    assert said.startswith("cifar10_laptop: precision: bf16 is asked for, which this machine only emulates")
    assert "Set `precision: fp32` in config/suites/cifar10_laptop.yaml" in said
    main("--suite", "cifar10_laptop", "--device", "cpu")
    assert capsys.readouterr().out.endswith(said)
    main("--suite", "cifar10_laptop", "--no-measure")
    assert capsys.readouterr().out.endswith(said)
    main("--suite", "digits", "--warn")
    assert capsys.readouterr().out == "", "digits is in float32"


def test_threads_that_are_not_there_are_named(main, capsys, monkeypatch):
    """And the hours are those of the cores that jobs take."""
    monkeypatch.setattr(plan.cores, "available", lambda: 2)
    main("--suite", "stl10")
    text = capsys.readouterr().out
    assert text.rstrip().endswith("threads: 8 are asked for, and 2 taken: this job may use no more cores")
