"""Suites as Snakemake sees them: what the plan counts, and a suite that shows others' results."""

import shutil

import pandas as pd
import pytest

from tests.pipeline import ROOT, edit, jobs, planned, run, snakemake


@pytest.mark.parametrize("suite", ["cifar10", "cifar100", "stl10", "imagenet100"])
def test_each_data_set_is_planned_on_its_own_as_the_plan_counts(suite, tmp_path):
    """Nothing of another data set, and as many jobs as `make plan` says."""
    code, output = snakemake(tmp_path, "-n", "--quiet", "host", "--", suite, root=ROOT)
    assert code == 0, output
    count = planned(output)
    code, plan = run(tmp_path, "dhel-kcl", "plan", "--root", ROOT, "--suite", suite, "--no-measure", root=ROOT)
    assert code == 0, plan
    pretrained = count["pretrain_encoder"] + count.get("pretrain_later", 0)
    evaluated, selected = count["evaluate_encoder"], count["select_setting"]
    assert f"that is {evaluated} runs; " in plan
    assert f"{pretrained} pretrain (the random encoder too), {evaluated} evaluate (all runs), {selected} select" in plan
    assert (count["fetch_data"], count["split_data"], count[suite]) == (1, 1, 1)
    assert "transfer_encoder" not in count


@pytest.fixture
def joined(project, tmp_path):
    """A finished smoke run, and a suite `both` of it and of one that was not run."""
    folder = shutil.copytree(project, tmp_path / "joined", symlinks=True)
    (folder / "config/suites/both.yaml").write_text("title: both\nsuites: [rehearsal, smoke]\n")
    return folder


def test_a_joint_suite_is_made_of_what_is_there_and_trains_nothing(joined):
    asked = jobs(joined, "--", "both")
    rules = {job.split()[0] for job in asked}
    assert rules == {
        "join_results", "judge_claims", "draw_figure", "tabulate_results", "record_provenance", "both"
    }  # fmt: skip
    code, output = snakemake(joined, "--", "both")
    assert code == 0, output
    smoke, both = (joined / f"results/{name}/runs.csv" for name in ("smoke", "both"))
    assert both.read_text() == smoke.read_text()
    accuracies = pd.read_csv(joined / "paper_figures/both/linear_evaluation.csv").set_index(["data set", "loss"])
    assert accuracies.loc[("CIFAR-10", "SimCLR"), "M = 4"] == "not run"
    assert "(n=1)" in accuracies.loc[("digits", "SimCLR"), "M = 16"]
    assert "Nothing to be done" in snakemake(joined, "-n", "--", "both")[1]
    code, output = run(joined, "dhel-kcl", "record", "--suite", "both", "--check", "results/both/provenance.json")
    assert (code, "computed with this config and code" in output) == (0, True), output

    edit(joined, "src/dhel_kcl/losses/dhel_loss.py", "negatives, temperature)", "negatives, 2 * temperature)")
    table = "paper_figures/both/claims_summary.md"
    code, output = snakemake(joined, "--", table)
    assert code == 0, output
    assert "smoke: Computed with earlier code (revision " in (joined / table).read_text()

    smoke.write_text(smoke.read_text().replace("simclr", "dhel"))
    assert jobs(joined, "--", "both") == asked, "whoever changed them"


def test_a_joint_suite_of_nothing_says_what_to_run(joined):
    shutil.rmtree(joined / "results/smoke")
    code, output = snakemake(joined, "-n", "--", "both")
    assert code != 0
    assert "both shows results of rehearsal, smoke: run one of these suites first" in output
