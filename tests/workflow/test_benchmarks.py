"""Benchmarks of Snakemake's planning time what they name."""

from importlib import import_module

from tests.pipeline import ROOT


def test_the_papers_suites_are_planned_where_nothing_is_computed(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    monkeypatch.delenv("DHEL_KCL_MIRROR", raising=False)
    assert import_module("absolute").planning_paper() > 0
