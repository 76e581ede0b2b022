"""Suites for a laptop, as if they had ended: whatever sections one has, its tables and figures are made."""

import pytest

from dhel_kcl.evidence import ledger
from dhel_kcl.evidence.figures import FIGURES, figures_of
from dhel_kcl.evidence.tables import TABLES, tables_of
from dhel_kcl.presentation import style
from dhel_kcl.presentation.verdict_words import CONFIRMATORY
from dhel_kcl.study.suite import Suite
from tests.pipeline import ROOT
from tests.synthetic import results_of, small, suite_of, with_causes
from tests.unit.evidence.conftest import complete

ALONE = {"claims_summary", "claims", "causes_points", "causes_effects", "recipe", "runs", "costs"}
"""Tables of a suite of causes alone."""
UNJUDGED = {"cifar10_variance", "cifar10_200_epochs"}
"""Suites that compare nothing: of one loss, or without a seed to judge by."""
ONE_SEED = {"smoke", "cifar10_200_epochs"}
"""Suites whose compared runs have a single one."""


@pytest.mark.parametrize(
    "name",
    [
        "smoke",
        "cifar10_laptop",
        "cifar10_updates",
        "cifar10_causes",
        "cifar10_variance",
        "cifar10_200_epochs",
        "digits_causes",
    ],
)
def test_tables_and_figures_are_made(name, tmp_path):
    suite = Suite.load(ROOT, name)
    results = complete(results_of(tmp_path, suite))
    tables = {table: TABLES[table].make(results) for table in tables_of(suite)}
    assert all(len(table) for table in tables.values())
    assert len(tables["runs"]) == len(suite.runs)
    for figure in figures_of(suite):
        drawn = FIGURES[figure].make(results)
        assert drawn.axes
        if figure in ("spectra", "similarities", "training_curves", "accuracy", "alignment_uniformity"):
            said = "(one seed)" if name in ONE_SEED else "1 SD over seeds)"
            title = drawn.get_suptitle()
            if figure in ("spectra", "similarities", "training_curves"):
                title, suite_title = title.rsplit("\n", 1)
                assert suite_title.lower() == suite.config.title.lower()
            else:
                assert drawn.axes[0].get_title().lower() == suite.config.title.lower()
            assert " ".join(title.split()).endswith(said)
    assert ("claims" in tables) == (name not in UNJUDGED)
    assert ("claims" in figures_of(suite)) == (name not in UNJUDGED)
    if name == "cifar10_200_epochs":
        assert figures_of(suite) == ["spectra", "similarities", "training_curves"]
    if name == "cifar10_variance":
        assert figures_of(suite) == ["training_curves"]
    if not suite.has("losses"):
        assert tables.keys() == ALONE
        assert figures_of(suite) == ["claims", "causes"]


def without_hyperparameters(content):
    """Whose cells in runs.csv are empty, and read as no number."""
    with_causes([0, 1, 2, 3, 4])(content)
    content["losses"] = {"simclr": {"loss": "simclr"}, "dhel": {"loss": "dhel"}}
    content["causes"]["losses"] = {"simclr-c": {"loss": "simclr"}, "dcl-c": {"loss": "dcl"}}
    content["ablations"] = {"batch_size": 16, "losses": {"infonce": {"loss": "infonce"}}}


def kernels_alone(content):
    """Causes without a temperature, of which one kernel has no look of its own."""
    small(content)
    kernels = {"kernel": "gaussian"}, {"kernel": "gaussian_riesz"}
    losses = {f"kcl-{k}": {"loss": "kcl", "gamma": [1.0, 4.0]} | kernel for k, kernel in enumerate(kernels)}
    content["causes"] = {"batch_size": 64, "seeds": [0, 1, 2, 3, 4], "losses": losses}


def rates_of_many_digits(content):
    with_causes([0, 1, 2, 3, 4], rates=(0.12345678, 1e-5))(content)


@pytest.mark.parametrize("change", [without_hyperparameters, kernels_alone, rates_of_many_digits])
def test_unusual_suites_are_judged_tabled_and_drawn(tmp_path, change):
    suite = suite_of(tmp_path, change)
    results = complete(results_of(tmp_path / "results", suite))
    made = {table: TABLES[table].make(results) for table in tables_of(suite)}
    assert "nan" not in " ".join(str(cell) for table in made.values() for cell in table.to_numpy().flat)
    assert not (made["causes_points"]["effective rank of z"] == "not run").any()
    assert not made["costs"][["data set", "section", "entry", "M"]].duplicated().any()
    style.set_theme()
    for figure in figures_of(suite):
        FIGURES[figure].make(results).draw_without_rendering()


def test_a_suite_of_causes_has_no_second_figure_of_its_statements():
    """All that it states was planned, so `planned` would repeat `claims`."""
    assert {statement.kind for statement in ledger.read().of_causes} == {CONFIRMATORY}
    for name in ("cifar10_causes", "digits_causes"):
        suite = Suite.load(ROOT, name)
        assert suite.config.confirmatory
        assert "planned" not in figures_of(suite)


@pytest.mark.parametrize("losses", [2, 3])
def test_losses_are_drawn_without_a_judged_seed_where_they_are_more_than_two(tmp_path, losses):
    """As where someone tries images of their own once; two numbers need no figure."""

    def tried_once(content):
        names = ["dhel", "simclr", "dcl"][:losses]
        few = {name: content["losses"][name] for name in names}
        small(content)
        content |= {"losses": few, "batch_sizes": [16], "seeds": {"grid": 0, "selected": []}}

    suite = suite_of(tmp_path, tried_once)
    results = complete(results_of(tmp_path / "results", suite))
    figures = figures_of(suite)
    assert ({"accuracy", "alignment_uniformity"} <= set(figures)) == (losses > 2)
    assert "claims" not in figures
    for figure in figures:
        FIGURES[figure].make(results).draw_without_rendering()
