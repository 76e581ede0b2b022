"""Suites for a laptop, as if they had ended: whatever sections one has, its tables and figures are made."""

import pytest

from dhel_kcl.evidence.figures import FIGURES, figures_of
from dhel_kcl.evidence.tables import TABLES, tables_of
from dhel_kcl.study.suite import Suite
from tests.pipeline import ROOT
from tests.synthetic import results_of
from tests.unit.evidence.conftest import complete, make

ALONE = {"claims_summary", "claims", "causes_points", "causes_effects", "recipe", "runs", "costs"}
"""Tables of a suite of causes alone."""


@pytest.mark.parametrize(
    "name", ["smoke", "cifar10_laptop", "cifar10_updates", "cifar10_causes", "cifar10_variance", "digits_causes"]
)
def test_tables_and_figures_are_made(name, tmp_path):
    suite = Suite.load(ROOT, name)
    results = complete(results_of(tmp_path, suite))
    tables = {table: make(TABLES[table], results) for table in tables_of(suite)}
    assert all(len(table) for table in tables.values())
    assert len(tables["runs"]) == len(suite.runs)
    for figure in figures_of(suite):
        assert make(FIGURES[figure], results).axes
    assert ("claims" in tables) == (name != "cifar10_variance"), "a suite of one loss compares nothing"
    if not suite.has("losses"):
        assert tables.keys() == ALONE
        assert figures_of(suite) == ["planned", "claims", "causes"]
