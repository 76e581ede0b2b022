"""Benchmarks of Snakemake's planning time what they name."""

from benchmarks import absolute


def test_the_papers_suites_are_planned_where_nothing_is_computed(monkeypatch):
    monkeypatch.delenv("DHEL_KCL_MIRROR", raising=False)
    assert absolute.planning_paper() > 0
