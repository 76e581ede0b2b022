"""Counts against the paper's recipe and against what the steps did."""

import pandas as pd
import pytest

from dhel_kcl.study import job_counts
from dhel_kcl.study.suite import Suite
from dhel_kcl.training.spec import PretrainSpec
from tests.pipeline import ROOT

DIGITS = Suite.load(ROOT, "digits")
PAPER = Suite.load(ROOT, "paper")


def test_views_of_the_papers_recipe():
    """CIFAR-10: 45,000 images, 175 steps of M = 256 an epoch; STL-10 adds its unlabeled ones, not for the floor."""
    views = {(run.dataset, run.method, run.batch_size): job_counts.views(PAPER, run) for run in PAPER.runs}
    assert views["cifar10", "dhel", 256] == 200 * 175 * 512
    assert views["cifar10", "dhel", 32] == 200 * 1406 * 64
    assert views["stl10", "dhel", 256] == 200 * (104_900 // 256) * 512
    assert views["stl10", "supervised", 256] == 200 * (4_900 // 256) * 512
    assert views["cifar10", "random", 256] == views["cifar10", "pixels", 256] == 0


def test_images_of_the_papers_evaluation():
    """CIFAR-10: 45,000 and 5,000 images, three times 10,000 and two views of 5,000, and 200 epochs of the augmented
    probe; a transfer has neither views nor that probe."""
    assert job_counts.evaluated_images(PAPER, "cifar10") == (90_000, 200 * 45_000)
    assert job_counts.transferred_images(PAPER, "cifar10") == 60_000


def test_committed_results_have_the_planned_views():
    """Seconds times views a second of the cost table are views, of every loss and batch size."""
    costs = pd.read_csv(ROOT / "results/digits/costs.csv")
    planned = {(run.method, run.batch_size): job_counts.views(DIGITS, run) for run in DIGITS.runs}
    for row in costs.itertuples():
        assert row.seconds_a_run * row.views_per_second == pytest.approx(planned[row.method, row.batch_size], rel=1e-9)


@pytest.mark.parametrize(("updates", "expected"), [(300, (300, 300)), ({"16": 840, "32": 420}, (840, 420))])
def test_steps_of_a_training_of_some_updates(root, smoke, updates, expected):
    """One number for all batch sizes, or one for each, as the run's spec has it; the floors are trained as long."""

    def change(content):
        del content["training"]["epochs"]
        content["training"]["updates"] = updates
        content["batch_sizes"] = [16, 32]
        del content["final"], content["causes"]

    smoke(change)
    suite = Suite.load(root, "smoke")
    for run in suite.runs:
        if run.method not in ("pixels", "random"):
            count = expected[run.batch_size == 32]
            assert job_counts.steps(suite, run) == count
            assert PretrainSpec.of(suite.pretrain_spec(run)).steps(100) == count


def test_images_of_an_evaluation():
    """Digits: 897, 300 and 600 images, and two views of the 600 and of the 897."""
    assert job_counts.subset_sizes(DIGITS, "digits") == {"pretrain": 897, "train": 897, "validation": 300, "test": 600}
    assert job_counts.evaluated_images(DIGITS, "digits") == (3 * 897 + 300 + 3 * 600, 0)
