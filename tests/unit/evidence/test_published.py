from dataclasses import replace

import pytest

from dhel_kcl.evidence import published
from dhel_kcl.evidence.published import ACCURACY, NEGATIVE_VARIANCE, read_published
from dhel_kcl.evidence.tables.published import beside_ours, methods_of, ours
from dhel_kcl.evidence.tidy import Results
from dhel_kcl.study.suite import Suite
from tests.pipeline import ROOT
from tests.synthetic import results_of, suite_of


def paper_like(content):
    content["datasets"] = {"cifar10": {"split": {"train": 1000, "validation": 40, "test": 60}}}
    content["backbone"] = {"name": "resnet18"}
    content["training"] = {"epochs": 200}
    content["batch_sizes"] = [64, 256]
    content["probe"]["augmented"] = {"augment": {"flip": 0.5}}


def test_published_figures_stand_beside_ours_only_where_the_conditions_are_the_same(tmp_path):
    level = {"simclr": 83.0, "dcl": 85.5, "dhel": 87.0, "dhel-mean": 86.0}

    def truth(run, loss):
        return {"test_accuracy": level.get(run.method, 0.0), "cached_test_accuracy": level.get(run.method, 1.0) - 1}

    results = results_of(tmp_path / "a", suite_of(tmp_path, paper_like), truth, {})
    rows = beside_ours(results).set_index(["loss", "M", "probe"])["ours (%)"].to_dict()
    assert rows["DHEL sum", "256", "augmented"] == "87.00 ± 0.00 (n=6)"
    assert rows["best baseline", "256", "augmented"] == "85.50 ± 0.00 (n=6)"
    assert rows["DCL", "64", "cached features"] == "84.50 ± 0.00 (n=6)", "not DCL with twice the weight"
    assert rows["DHEL mean", "64", "cached features"] == "85.00 ± 0.00 (n=3)"
    assert rows["SimCLR", "32", "cached features"] == "", "this batch size was not asked for"
    assert "about 86.4" in set(beside_ours(results)["published (%)"])

    def shorter(content):
        paper_like(content)
        content["training"] = {"epochs": 100}

    other = results_of(tmp_path / "b", suite_of(tmp_path, shorter), truth, {})
    assert set(beside_ours(other)["ours (%)"]) == {""}
    assert beside_ours(Results(ROOT / "results/digits", Suite.load(ROOT, "digits"))).empty


def test_a_figure_published_for_a_temperature_has_none_of_ours_beside_it(tmp_path):
    """Which is the best of several."""
    results = results_of(tmp_path, suite_of(tmp_path, paper_like), lambda run, loss: {"test_accuracy": 80.0}, {})
    entry = replace(read_published(["cifar10"])[0], temperature="0.1", batch_size="256", probe="augmented, SGD")
    assert ours(results, replace(entry, temperature_tuned="yes")) == "80.00 ± 0.00 (n=6)"
    assert ours(results, replace(entry, temperature_tuned="no")) == ""
    assert ours(results, replace(entry, temperature_tuned="yes", batch_size="")) == "", "not stated"


def test_a_form_that_a_suite_does_not_write_is_the_usual_one(tmp_path):
    def change(content):
        paper_like(content)
        del content["losses"]["dhel"]["form"]

    entry = replace(read_published(["cifar10"])[0], loss="dhel", dhel_form="sum")
    results = results_of(tmp_path, suite_of(tmp_path, change))
    assert methods_of(results, entry) == ["dhel"]
    assert methods_of(results, replace(entry, dhel_form="mean")) != ["dhel"]


def test_published_figures_name_their_source_and_what_is_not_known():
    entries = [entry for measure in (ACCURACY, NEGATIVE_VARIANCE) for entry in read_published(measure=measure)]
    assert len(entries) == len(published.PUBLISHED.read_text(encoding="utf-8").splitlines()) - 1
    assert all(entry.source for entry in entries)
    assert {entry.precision for entry in entries} <= {"printed", "read off a chart"}
    assert all(entry.comparable.startswith(("yes", "partly: ", "no: ")) for entry in entries)


@pytest.mark.parametrize(
    ("old", "new"), [("cifar10,simclr,", "cifar10,simclr"), ("cifar10,simclr,", "cifar10,simclrr,"), ("SGD", "SGD,")]
)
def test_a_bad_line_is_named(tmp_path, monkeypatch, old, new):
    path = tmp_path / "published.csv"
    path.write_text(published.PUBLISHED.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    monkeypatch.setattr(published, "PUBLISHED", path)
    with pytest.raises(ValueError, match=r"published\.csv, line 2: .* for each of 16 columns, and a loss of infonce, "):
        read_published()


def test_a_file_with_other_columns_is_told_which(tmp_path, monkeypatch):
    path = tmp_path / "published.csv"
    path.write_text("dataset,loss\n")
    monkeypatch.setattr(published, "PUBLISHED", path)
    with pytest.raises(ValueError, match=r"the first line must be measure,dataset,loss,dhel_form,"):
        read_published()
