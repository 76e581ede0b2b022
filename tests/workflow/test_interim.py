"""Results of a suite that is not finished, or whose statements changed, on what a finished smoke suite left."""

import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest

from dhel_kcl.steps import collect
from dhel_kcl.study import layout
from tests.pipeline import COMBINED, ROOT, edit, jobs


@pytest.fixture
def gather(project, tmp_path, monkeypatch):
    """Function that runs the step on a copy of the run folders; its folder is the current one."""
    for name in ("results/runs", "data/splits"):
        shutil.copytree(project / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)

    def gather(*options):
        command = ["collect", "--root", str(ROOT), "--suite", "smoke", "--out", "out", *options]
        monkeypatch.setattr(sys, "argv", command)
        collect.main()
        return pd.read_csv("out/runs.csv")

    return gather


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "results/runs/smoke/digits"


def test_real_runs_are_gathered_as_they_were(gather, project):
    gather()
    files = [*(f"{name}.csv" for name in layout.TIDY_TABLES), "metrics.json"]
    assert [Path("out", name).read_bytes() for name in files] == [
        (project / "results/smoke" / name).read_bytes() for name in files
    ]


def test_a_changed_statement_is_judged_anew(clone):
    edit(clone, "src/dhel_kcl/evidence/claims.yaml", "margin: 1.0", "margin: 0.5")
    assert jobs(clone) == COMBINED - {"collect_results"}
    edit(clone, "src/dhel_kcl/evidence/claims.yaml", "margin: 0.5", "margin: 1.0")
    assert jobs(clone) == set()
