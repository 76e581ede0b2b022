"""The diffs in docs/extending.md, applied as they stand: a loss and a data set of one's own, through every step."""

import re
import sys

import numpy as np
import pandas as pd
import pytest

from tests.pipeline import ROOT, checkout, git, run, snakemake

DIFFS = re.findall(r"^```diff\n(.*?)^```", (ROOT / "docs/extending.md").read_text(), flags=re.MULTILINE | re.DOTALL)
SUITE = """
title: a loss and a data set of one's own
device: cpu
datasets:
  own:
    split: {train: 60, validation: 30, test: 20, seed: 0}
    augment: {crop_scale: [0.5, 1.0], flip: 0.5}
backbone: {name: compact_resnet, width: 8, stages: 2}
projector_dim: 16
training: {epochs: 1}
batch_sizes: [16]
losses:
  simclr: {loss: simclr, temperature: 0.5}
  nt-logistic: {loss: logistic, title: NT-Logistic, temperature: [0.3, 1.0]}
seeds: {grid: 0, selected: [1]}
floors: {batch_size: 16, seeds: [0]}
"""
CHECK = """
import torch
from dhel_kcl.registry import resolve
u, v = torch.nn.functional.normalize(torch.rand(2, 7, 5, dtype=torch.float64) - 0.5, dim=2)
loss = resolve("loss", "logistic")(temperature=0.3, energy_weight=2.0)
s = u @ v.T / 0.3
pairs = [torch.log1p(torch.exp(s[i, j])) for i in range(7) for j in range(7) if i != j]
expected = torch.log1p(torch.exp(-s.diagonal())).mean() + 2 * sum(pairs) / 42
torch.testing.assert_close(loss(3 * u, v / 2), expected)
with torch.autocast("cpu", torch.bfloat16):
    torch.testing.assert_close(loss(u.float(), v.float()).double(), expected, rtol=1e-6, atol=0)
"""
DIGESTS = """
from pathlib import Path
from dhel_kcl.runtime.origins import of_runs
from dhel_kcl.study.suite import Suite
print(sorted(of_runs(Suite.load(Path(), "smoke")).items()))
"""


@pytest.fixture(scope="module")
def extended(tmp_path_factory):
    folder = checkout(tmp_path_factory.mktemp("extended") / "project")
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    before = run(folder, sys.executable, "-c", DIGESTS)
    for number, diff in enumerate(DIFFS):
        (folder / f"{number}.diff").write_text(diff)
        git(folder, "apply", f"{number}.diff")
    assert run(folder, sys.executable, "-c", DIGESTS) == before, "what was run before would be run again"
    assert len(before[1]) > 100
    assert before[0] == 0
    return folder


def test_each_diff_changes_twenty_lines_at_most():
    assert len(DIFFS) == 2
    for diff in DIFFS:
        changed = [line for line in diff.splitlines() if re.match(r"[+-](?!(--|\+\+) )", line)]
        assert 10 < len(changed) <= 20


def test_the_loss_is_what_it_says(extended):
    assert run(extended, sys.executable, "-c", CHECK) == (0, "")


def test_a_suite_of_both_runs_from_the_data_to_the_figures(extended, monkeypatch):
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 3
    images = rng.integers(0, 120, (120, 3, 16, 16), dtype=np.uint8) + (60 * labels[:, None, None, None]).astype(
        np.uint8
    )
    np.savez(extended / "own.npz", images=images, labels=labels, test=np.arange(120) >= 100)
    monkeypatch.setenv("DHEL_KCL_OWN", str(extended / "own.npz"))
    (extended / "config/suites/mine.yaml").write_text(SUITE)
    code, output = snakemake(extended, "mine")
    assert code == 0, output
    runs = pd.read_csv(extended / "results/mine/runs.csv")
    assert set(runs.dataset) == {"own"}
    assert (runs.method == "nt-logistic").sum() == 3
    assert runs[runs.method == "nt-logistic"].test_images.tolist() == [20] * 3
    table = pd.read_csv(extended / "paper_figures/mine/linear_evaluation.csv")
    assert "NT-Logistic" in set(table.loss)
    assert (extended / "paper_figures/mine/accuracy.pdf").is_file()
