"""The steps on a joint suite, one of whose two suites was not run."""

import shutil

import pandas as pd
import pytest
import yaml

from dhel_kcl.evidence.figures import figures_of
from dhel_kcl.evidence.tables import tables_of
from dhel_kcl.files import DamagedError, read_json, write_json
from dhel_kcl.runtime.origins import earlier_code, of_suite
from dhel_kcl.steps import collect, draw, judge, record, tabulate
from dhel_kcl.study.suite import Suite
from tests.pipeline import ROOT
from tests.synthetic import results_of


@pytest.fixture
def call(call, monkeypatch, tmp_path):
    """Of the suite `both`."""
    monkeypatch.chdir(tmp_path)
    return lambda step, *arguments: call(step, "--root", ".", "--suite", "both", *arguments)


@pytest.fixture
def joint(tmp_path):
    """The suite `both` of `smoke`, on the digits, and of `other`, on Fashion-MNIST and with a transfer."""
    shutil.copytree(ROOT / "config", tmp_path / "config")
    content = yaml.safe_load((ROOT / "config/suites/smoke.yaml").read_text())
    split = {"train": 100, "validation": 40, "test": 60}
    content |= {"datasets": {"fashion_mnist": {"split": split}}, "projector_dim": 8, "batch_sizes": [16, 32]}
    content["transfer"] = {"batch_size": 16, "datasets": {"digits": {"split": dict(split)}}}
    for name, text in (("other", content), ("both", {"title": "both", "suites": ["smoke", "other"]})):
        (tmp_path / f"config/suites/{name}.yaml").write_text(yaml.safe_dump(text))
    return Suite.load(tmp_path, "both")


def test_a_joint_suite_shows_what_is_there(joint, tmp_path, call):
    """Every table, figure and verdict, from the tidy tables of one suite, to the letter; the other was not run."""
    smoke = results_of(tmp_path / "results/smoke", joint.parts[0])
    out = tmp_path / "results/both"
    call(collect, "--out", out)
    assert (out / "runs.csv").read_text() == (smoke.folder / "runs.csv").read_text()
    call(judge, "--results", out, "--out", out / "claims.csv")
    verdicts = pd.read_csv(out / "claims.csv").groupby("dataset").verdict.agg(set)
    assert verdicts["fashion_mnist"] == {"not run"}
    assert verdicts["digits"] != {"not run"}
    for name in tables_of(joint):
        call(tabulate, "--results", out, "--name", name, "--out", tmp_path / name)
    for name in figures_of(joint):
        call(draw, "--results", out, "--name", name, "--out", tmp_path / name)
    accuracies = pd.read_csv(tmp_path / "linear_evaluation.csv").set_index(["data set", "loss"])
    assert accuracies.loc[("Fashion-MNIST", "SimCLR"), "M = 16"] == "not run"
    assert float(accuracies.loc[("digits", "SimCLR"), "M = 16"].split()[0]) == pytest.approx(80, abs=2)
    transfers = pd.read_csv(tmp_path / "transfer.csv", keep_default_na=False)
    assert set(transfers["trained on"]) == {"Fashion-MNIST"}
    recipe = pd.read_csv(tmp_path / "recipe.csv").set_index("setting")
    assert recipe.loc["projector_dim"].tolist() == ["16", "8"]


def test_both_are_one_after_the_other(joint, tmp_path, call):
    for part in joint.parts:
        results_of(tmp_path / f"results/{part.name}", part)
    call(collect, "--out", tmp_path / "results/both")
    runs = pd.read_csv(tmp_path / "results/both/runs.csv")
    assert len(runs) == len(joint.runs)
    assert runs.dataset.tolist() == [run.dataset for run in joint.runs]
    assert list(read_json(tmp_path / "results/both/metrics.json")) == ["digits", "Fashion-MNIST"]


def test_a_joint_suite_of_nothing_says_what_to_run(joint, call):
    with pytest.raises(
        ValueError, match="both joins smoke, other, and none of them has results in results/; run one of"
    ):
        call(collect, "--out", "results/both")


def test_the_runs_of_a_joint_suite_are_recorded_by_the_suite_that_made_them(joint, tmp_path, call, capsys):
    made = of_suite(joint.parts[0])
    made["runs"]["made"] = {"git_revision": {"0123456789abcdef": 9}}
    write_json(tmp_path / "results/smoke/provenance.json", made)
    path = tmp_path / "results/both/provenance.json"
    call(record, "--out", path)
    assert read_json(path)["runs of smoke"] == made["runs"]
    assert "runs of other" not in read_json(path)
    call(record, "--check", path)
    assert "computed with this config and code" in capsys.readouterr().out
    assert earlier_code(path, joint) == ""
    stale = read_json(path)
    stale["runs of smoke"]["code"]["split"] = "other"
    write_json(path, stale)
    with pytest.raises(ValueError, match=r"computed with an earlier version of: the runs of smoke \(split\)"):
        call(record, "--check", path)
    assert earlier_code(path, joint) == "Computed with earlier code (revision 0123456789)."


def test_a_suites_record_without_its_runs_is_named_with_the_remedy(joint, tmp_path, call):
    write_json(tmp_path / "results/smoke/provenance.json", {})
    with pytest.raises(
        DamagedError, match=r"smoke/provenance\.json is damaged .*restore it with `git checkout`, or run"
    ):
        call(record, "--out", tmp_path / "results/both/provenance.json")
