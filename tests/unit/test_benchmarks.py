"""The picture of all benchmarks."""

from importlib import import_module

import pandas as pd
import pytest

from tests.pipeline import ROOT

COLUMNS = ["what", "baseline", "threads", "ratio", "ratio_low", "ratio_high", "target"]


@pytest.fixture
def picture(monkeypatch):
    """Two losses on one and on two threads, a variant, a step, and a limit."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    losses = [
        (f"loss, {name}, M = {size}", "other", threads, ratio, ratio - 0.1, ratio + 0.1, 1)
        for threads, ratio in ((1, 2.0), (2, 1.5))
        for name in ("dhel", "kcl-gaussian", "dhel, mask")
        for size in ("64", "4,096")
    ]
    step = ("step, resnet18", "the plain loop", 2, 3.0, 2.9, 3.1, 2.5)
    absolute = {"what": ["import"], "seconds": [0.5], "seconds_low": [0.4], "seconds_high": [0.6], "limit": [1.0]}
    ratios = pd.DataFrame([*losses, step], columns=COLUMNS)
    return import_module("summary").draw(ratios, pd.DataFrame(absolute))


def test_each_loss_has_one_bar_a_batch_size(picture):
    losses = picture.axes[0]
    places = [round(bar.get_x(), 6) for bar in losses.patches]
    assert len(places) == len(set(places)) == 4, "two losses at two batch sizes"
    assert {bar.get_height() for bar in losses.patches} == {1.0}, "twice as fast, on one thread"
    assert "one thread" in losses.get_title()


def test_the_legend_has_titles_and_says_what_strokes_and_whiskers_are(picture):
    (legend,) = picture.legends
    assert [text.get_text() for text in legend.get_texts()] == ["DHEL sum", "KCL Gaussian", "target", "quartiles"]
