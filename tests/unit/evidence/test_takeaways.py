import math
import re

import pytest

from dhel_kcl.evidence import takeaways
from dhel_kcl.evidence.figures import FIGURES
from dhel_kcl.evidence.tidy import Results, write
from dhel_kcl.theory import EXPERIMENTS
from tests.pipeline import ROOT
from tests.synthetic import effect, results_of, suite_of


def test_a_takeaway_names_the_ends(tmp_path):
    suite = suite_of(tmp_path)
    results = results_of(tmp_path / "results", suite, effect("test_accuracy", 9.0))
    said = takeaways.takeaway("accuracy", results)
    means = (
        results.selected[results.selected.section == "losses"].groupby(["method", "batch_size"]).test_accuracy.mean()
    )
    (least, low), (most, high) = [(end, f"{means[end]:.1f} %") for end in (means.idxmin(), means.idxmax())]
    assert most[0] == "dhel", "which is 9 points better"
    assert said == f"digits: mean accuracy from {low} ({named(suite, least)}) to {high} ({named(suite, most)})."


def named(suite, end):
    return f"{suite.title(end[0])}, M = {end[1]}"


def test_hyperparameters_are_told_by_their_spread(tmp_path):
    suite = suite_of(tmp_path)
    results = results_of(tmp_path / "results", suite)
    grid = results.runs.role == "grid"
    results.runs.loc[grid, "test_accuracy"] = 90.0
    cell = grid & (results.runs.method == "dhel") & (results.runs.batch_size == 64)
    results.runs.loc[results.runs[cell].index[0], "test_accuracy"] = 92.5
    assert takeaways.takeaway("hyperparameters", results).endswith(" to 2.5 points (DHEL, M = 64).")


@pytest.mark.parametrize("figure", takeaways.SHOWN)
def test_every_takeaway_says_what_was_not_run(figure, results_of_several):
    said = takeaways.takeaway(figure, results_of_several)
    assert said.startswith("CIFAR-10: ")
    assert said.count("not run") == len(takeaways.SHOWN[figure]), "of STL-10"


def test_statements_of_the_theory_are_counted():
    said = takeaways.of_statements(["supported", "contradicted", "supported"])
    assert said == "3 statements: 2 supported, 1 contradicted."


def test_every_figure_says_what_it_shows():
    judged = {"planned", "claims", "causes"}
    assert set(takeaways.SHOWN) == set(FIGURES) - judged
    for figure in (*FIGURES, *(f"theory_{name}" for name in EXPERIMENTS)):
        caption = (ROOT / f"workflow/report/captions/{figure}.rst").read_text(encoding="utf-8")
        assert caption.split("\n")[2] == "{in short}"


def test_what_has_run_and_has_no_value_is_not_called_not_run(tmp_path):
    def one_setting(content):
        content["losses"] = {
            name: entry | {"temperature": 0.3} for name, entry in content["losses"].items() if name in ("dcl", "dhel")
        }
        content["losses"]["dcl"].pop("title")
        content["batch_sizes"] = [256]
        del content["ablations"]
        content["floors"] |= {"batch_size": 256}

    suite = suite_of(tmp_path, one_setting)
    results = results_of(tmp_path / "results", suite, lambda run, loss: {"z_uniformity": -2.0 - (run.method == "dcl")})
    assert (
        takeaways.takeaway("hyperparameters", results)
        == "digits: spread over the settings of a loss: one setting each."
    )
    epochs = results.table("epochs")
    write(results.folder / "epochs.csv", epochs.assign(gap=math.nan))
    assert takeaways.takeaway("training_curves", results).endswith("left at the end: least values not known.")
    write(results.folder / "epochs.csv", epochs.assign(gap=epochs.epoch.where(epochs.method == "dhel")))
    said = takeaways.takeaway("training_curves", Results(results.folder, suite))
    assert re.search(r"left at the end: \d+ % \(DHEL, M = 256\)\.$", said)
    suite.methods["dcl"].__dict__["title"] = "decoupled-loss"
    said = takeaways.takeaway("alignment_uniformity", results)
    assert "uniformity from −3.00 (decoupled-loss, M = 256) to −2.00 (DHEL, M = 256)." in said


def test_data_sets_without_losses_to_compare_have_no_takeaway(results_of_several, monkeypatch):
    monkeypatch.setattr(Results, "datasets_of", lambda results, section: ["cifar10"])
    said = takeaways.takeaway("accuracy", results_of_several)
    assert said.startswith("CIFAR-10: ")
    assert "STL-10" not in said
