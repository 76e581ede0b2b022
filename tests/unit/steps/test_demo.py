"""The demo end to end, with two updates a loss."""

import sys
from dataclasses import replace

import pytest

from dhel_kcl.__main__ import run
from dhel_kcl.evaluation.spec import EvaluationSpec
from dhel_kcl.runtime import cli
from dhel_kcl.runtime.repository import git
from dhel_kcl.steps import demo
from dhel_kcl.study import layout
from dhel_kcl.study.suite import Suite
from dhel_kcl.training.spec import PretrainSpec
from tests.pipeline import ROOT


@pytest.fixture
def call(monkeypatch, capsys):
    """Function that runs the step as the command line does; its exit status and what it said."""
    monkeypatch.setattr(cli, "leave", lambda: None)

    def call(*arguments):
        code = 0
        try:
            run(["demo", *map(str, arguments)])
        except SystemExit as end:
            code = end.code
        return code, capsys.readouterr()

    return call


def test_the_demo_trains_evaluates_prints_a_table_and_names_its_picture(call, tmp_path):
    code, said = call("--out", tmp_path / "demo", "--updates", "2")
    assert code == 0, said.err
    lines = said.out.splitlines()
    assert lines[0].startswith("This is a demo: ")
    assert lines[0].endswith("rank nothing.")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("| ")]
    assert [row[0] for row in rows[1:]] == list(demo.TITLES.values())
    assert all(10 < float(row[1]) <= 100 for row in rows[1:])
    assert [cell for row in rows[1:] for cell in row[2:]].count("-") == 2  # of raw pixels
    picture = tmp_path / "demo/demo.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert f"Picture: {picture}." in said.out
    last = said.err.split("\r")[-1]
    assert "100%" in last
    assert "step/s" in last
    for name in (*demo.LOSSES, "random"):
        there = {path.name for path in (tmp_path / "demo/runs" / name).iterdir()}
        assert there == {*layout.TRAINED, *layout.EVALUATED}


def test_the_settings_are_those_of_the_default_suite_but_for_what_takes_time():
    suite = Suite.load(ROOT, "digits")
    runs = {(run.method, str(run.loss)): run for run in suite.runs if run.batch_size == 64 and run.seed == 0}
    for method, loss in demo.LOSSES.items():
        asked = PretrainSpec.of(suite.pretrain_spec(runs[method, str(loss)]))
        assert demo.spec(loss, asked.training.updates) == asked
    asked = EvaluationSpec.of(suite.evaluation_spec("digits"))
    found = {"weight_decay": list(demo.EVALUATION.weight_decay), "scaling": list(demo.EVALUATION.scaling)}
    assert replace(demo.EVALUATION, **found, training_pairs=asked.training_pairs) == asked
    assert suite.split("digits").model_dump() == demo.SPLIT


def test_what_the_demo_and_the_notebook_write_is_ignored_by_git():
    for path in ("demo/demo.png", "docs/demo/demo.png"):
        assert git(ROOT, "check-ignore", path).strip() == path


@pytest.mark.parametrize("updates", ["0", "-3", "many"])
def test_a_number_of_updates_that_is_none_is_named(call, updates):
    code, said = call(f"--updates={updates}")
    assert code == 2
    assert f"a whole number of updates, at least 1; got {updates!r}" in said.err


def test_a_folder_that_cannot_be_written_is_named(call, tmp_path):
    (tmp_path / "file").touch()
    code, said = call("--out", tmp_path / "file" / "demo")
    assert code == 1
    assert str(tmp_path / "file") in said.err
    assert len(said.err.splitlines()) == 1


def test_without_scikit_learn_the_remedy_is_named_before_any_training(call, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    code, said = call("--out", tmp_path)
    assert code == 1
    assert "is not installed; pip install 'dhel-kcl[pipeline]' has all that this package needs" in said.err
    assert len(said.err.splitlines()) == 1
