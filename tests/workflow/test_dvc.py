"""What DVC shows of the committed results: plots, metrics, parameters."""

import json
import re
import shutil

import pytest

from tests.pipeline import ROOT, dvc, edit, git

PLOTS = ["training curves", "accuracy by batch size", "rank against alignment"]


@pytest.fixture(scope="module")
def committed(tmp_path_factory):
    """A repository with what these commands read. It ends as clean as it began."""
    folder = tmp_path_factory.mktemp("committed")
    for name in ("config", "results/digits", "results/cifar10_laptop", ".dvc/plots"):
        shutil.copytree(ROOT / name, folder / name)
    for name in ("dvc.yaml", ".gitignore", ".dvcignore", ".dvc/config", ".dvc/.gitignore"):
        shutil.copy2(ROOT / name, folder / name)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "all")
    yield folder
    assert git(folder, "status", "--porcelain") == ""


def test_plots_show_every_plot_and_leave_the_tree_clean(committed):
    code, output = dvc(committed, "plots", "show")
    assert code == 0, output
    page = (committed / "dvc_plots/index.html").read_text()
    specs = [json.loads(found) for found in re.findall(r"var spec = (\{.*\});", page)]
    assert [spec["title"] for spec in specs] == PLOTS
    for spec in specs:
        rows, encoding = spec["data"]["values"], spec["encoding"]
        fields = {shown["field"] for shown in encoding.values()}
        assert fields <= rows[0].keys()
        assert len({row["method"] for row in rows}) >= 5
        assert any(row["section"] == "losses" for row in rows)
        numbers = {step["as"] for step in spec["transform"] if "as" in step}
        assert {encoding["x"]["field"], encoding["y"]["field"]} <= numbers, "DVC gives texts"
        assert "DVC_METRIC" not in json.dumps(spec)


def test_metrics_are_a_handful(committed):
    code, output = dvc(committed, "metrics", "show")
    assert code == 0, output
    assert re.search(r"accuracy\.SimCLR .*accuracy\.raw pixels .*rank\.SimCLR", output)
    assert max(map(len, output.splitlines())) < 400


def test_a_changed_parameter_is_one_line(committed):
    edit(committed, "config/suites/digits.yaml", "learning_rate: 0.1\n", "learning_rate: 0.2\n")
    code, output = dvc(committed, "params", "diff")
    git(committed, "checkout", "--quiet", "config")
    assert code == 0, output
    row = ["config/suites/digits.yaml", "training.learning_rate", "0.1", "0.2"]
    assert [line.split() for line in output.splitlines()[1:]] == [row]


def test_plots_of_another_suite_are_a_command(committed):
    """As docs/sharing.md has it."""
    command = re.search(r"^dvc (plots show results/.*)$", (ROOT / "docs/sharing.md").read_text(), re.MULTILINE)[1]
    code, output = dvc(committed, *command.split("#")[0].split())
    assert code == 0, output
    assert "kcl-log" in (committed / "dvc_plots/index.html").read_text()
