"""What docs/extending.md says, as it stands: a folder of images, a loss and a data set of one's own, all the way."""

import re
import sys

import numpy as np
import pandas as pd
import pytest

from dhel_kcl.data import split
from dhel_kcl.files import read_json
from tests.pipeline import ROOT, checkout, edit, git, run, snakemake
from tests.unit.data.photographs import lay_out_digits, lay_out_photographs

COMMANDS = re.findall(r"^(dhel-kcl new-suite|snakemake) (.*)$", (ROOT / "docs/extending.md").read_text(), re.MULTILINE)
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


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return checkout(tmp_path_factory.mktemp("images") / "project")


def quick(folder, suite):
    """Cut a suite that `new-suite` wrote to one epoch and one setting of each loss."""
    path = f"config/suites/{suite}.yaml"
    text = (folder / path).read_text()
    epochs = re.search("epochs: .*", text)[0]
    edit(folder, path, epochs, "epochs: 1")
    edit(folder, path, "[0.1, 0.3, 1.0]", "0.3")
    edit(folder, path, "[1.0, 2.0, 4.0]", "2.0")
    edit(folder, path, "selected: [1, 2]", "selected: []")


def test_a_folder_of_photographs_runs_by_two_commands(project):
    lay_out_photographs(project / "photographs", {"": 60})
    (new, options), (_, target) = COMMANDS
    options = options.replace("/path/to/images", "photographs").split()
    code, output = run(project, sys.executable, "-m", "dhel_kcl", new.split()[1], *options)
    assert code == 0, output
    quick(project, "photos")
    code, output = snakemake(project, *target.split()[2:])
    assert code == 0, output
    runs = pd.read_csv(project / "results/photos/runs.csv")
    assert set(runs.dataset) == {"photos"}
    assert set(runs.test_images) == {24}
    assert (project / "paper_figures/photos/accuracy.pdf").is_file()


def test_digits_as_png_in_folders_of_parts_are_streamed(project):
    """A split that the folders give, images without a class, and files that are decoded while the network trains."""
    digits = project / "digits"
    for part, first, count in (("train", 0, 300), ("val", 300, 50), ("test", 350, 50)):
        lay_out_digits(digits / part, count, first)
    lay_out_photographs(digits / "unlabeled", {"": 5})
    options = ["png", "--images", str(digits), "--size", "8"]
    code, output = run(project, sys.executable, "-m", "dhel_kcl", "new-suite", *options)
    assert code == 0, output
    quick(project, "png")
    edit(project, "config/suites/png.yaml", "size: 8", "size: 8\n    streamed: true")
    code, output = snakemake(project, "results/runs/png/png/supervised/seed0/probe.json")
    assert code == 0, output
    manifest = read_json(project / "data/png/manifest.json")
    assert (manifest["encoded"], manifest["upright"], manifest["images"]) == (True, True, [410])
    drawn = split.read(project / "data/splits/png/png.npz")
    assert [len(drawn[subset]) for subset in split.SUBSETS] == [300, 50, 50, 310]


def test_a_bad_image_stops_before_anything_is_written(project):
    folder = lay_out_photographs(project / "bad", {"": 60})
    (folder / "china/000.jpg").write_bytes(b"no image")
    code, output = run(project, sys.executable, "-m", "dhel_kcl", "new-suite", "bad", "--images", "bad", "--size", "16")
    assert code == 0, output
    code, output = snakemake(project, "bad")
    assert code != 0
    assert "bad/china/000.jpg cannot be read: it is no image" in output
    assert not (project / "data/bad/images.npy").exists()
    assert not (project / "results/runs/bad/bad").exists()
