import numpy as np
import pandas as pd
import pytest

from dhel_kcl.evidence.tables import TABLES, robustness, runs, tables_of
from dhel_kcl.runtime.digest import RUNNING
from dhel_kcl.study.suite import Suite, dataset_title
from tests.pipeline import ROOT
from tests.synthetic import results_of, suite_of
from tests.unit.evidence.conftest import PARTS


def tables_from(results):
    return {name: TABLES[name].make(results) for name in tables_of(results.suite)}


@pytest.fixture(scope="module")
def tables(results_of_several):
    return tables_from(results_of_several)


def said(cells):
    """All text of a table."""
    return " ".join(cells.astype(str).to_numpy().ravel())


@pytest.mark.parametrize("missing", PARTS)
def test_tables_of_a_partly_done_suite(results_without, missing):
    """Of made results, without some of the runs."""
    tables = tables_from(results_without(missing))
    accuracy = tables["linear_evaluation"].set_index("loss")
    assert len(accuracy) == 8
    expected = {
        "a loss": accuracy.loc["SimCLR"].iloc[1:],
        "a batch size": accuracy["M = 16"].drop(["floor: raw pixels", "floor: random encoder", "ceiling: supervised"]),
        "all losses": accuracy.iloc[:5, 1:].stack(),
        "the floors": accuracy.iloc[5:, 1:].stack(),
    }
    if missing in expected:
        assert set(expected[missing]) == {"not run"}
        assert "not run" in said(tables["geometry"])
    else:
        assert "not run" not in said(accuracy)
    assert ("not run" in said(tables["robustness"])) == (
        missing in ("a loss", "a batch size", "the grid", "all losses")
    )


def test_a_suite_with_every_section_has_every_table(results_of_several):
    assert tables_of(results_of_several.suite) == list(TABLES)


def test_a_suite_has_no_table_of_what_it_does_not_run(tmp_path):
    def bare(content):
        content["losses"] = {name: entry | {"temperature": 0.3} for name, entry in content["losses"].items()}
        content["losses"] = {name: content["losses"][name] for name in ("simclr", "dcl")}
        del content["ablations"]

    absent = {"cached_probe", "probes", "ablations", "causes_points", "causes_effects", "robustness", "transfer"}
    assert set(TABLES) - set(tables_of(suite_of(tmp_path, bare))) == absent | {"published"}
    assert "published" not in tables_of(Suite.load(ROOT, "digits"))


@pytest.mark.parametrize("module", sorted({table.module for table in TABLES.values()} | {"theory.tables"}))
def test_how_tables_are_written_is_behind_the_digest_of_each(module):
    assert "presentation.table_files" in RUNNING.reached_by([module])


def test_accuracies_of_several_data_sets(tables, results_of_several):
    rows = tables["linear_evaluation"].set_index(["data set", "loss"])
    assert rows.loc[("CIFAR-100", "DCL"), "M = 16"] == "", "not asked for"
    assert rows.loc[("CIFAR-100", "DCL"), "M = 256"].endswith("(n=6)")
    assert rows.loc[("STL-10", "DHEL"), "M = 256"] == "not run"
    assert ("STL-10", "SimCLR") not in rows.index
    assert set(tables["knn"].loc[0, ["M = 16", "M = 32"]]) == {"75.00 ± 0.00 (n=6)"}
    assert tables["cached_probe"].loc[0, "M = 16"] == "79.00 ± 0.00 (n=6)"


def test_both_probes_stand_side_by_side(tables):
    rows = tables["probes"].set_index(["data set", "loss", "M"])
    row = rows.loc[("CIFAR-10", "DCL", "16")]
    assert list(row) == ["80.00 ± 0.00 (n=6)", "81.00 ± 0.00 (n=6)", "unit, 1e-05"]
    assert rows.loc[("CIFAR-10", "raw pixels", "-"), "standardised (%)"] == "81.00 (n=1)"
    assert set(rows.loc[("STL-10", "DHEL", "256")]) == {"not run"}


def test_a_probe_at_the_edge_of_its_penalties_is_marked(tmp_path):
    def change(content):
        content["probe"] |= {"weight_decay": [1e-3, 1e-4, 1e-5]}

    results = results_of(tmp_path / "results", suite_of(tmp_path, change))
    chosen = (results.runs.method == "dcl") & (results.runs.seed == 1)
    results.runs.loc[chosen, ["probe_scaling", "probe_weight_decay"]] = ["standardised", 1e-4]
    rows = TABLES["probes"].make(results).set_index("loss").chosen
    assert set(rows["DCL"]) == {"unit, 0.001 (edge) (5 of 6); standardised, 0.0001 (1 of 6)"}
    assert set(rows["DHEL"]) == {"unit, 0.001 (edge)"}
    assert rows["raw pixels"] == "unit, 0.001 (edge)"


def test_the_variance_of_negatives_stands_above_what_was_published(tables):
    rows = tables["negative_variance"].set_index(["data set", "loss"])
    here, there = rows.loc[("CIFAR-10", "InfoNCE")], rows.iloc[-1]
    assert list(rows)[1:-1] == ["M = 16", "M = 32", "M = 64", "M = 128", "M = 256", "M = 512"]
    assert list(here) == ["temperature=0.2", *["0.1000 ± 0.0000 (n=6)"] * 3, "", "", "", "here"]
    assert ("CIFAR-10", "DCL") not in rows.index, "a grid's settings may differ between batch sizes"
    assert list(there)[:-1] == ["temperature=0.2", "", "0.1649", "0.1505", "0.1444", "0.1404", "0.1396"]
    assert "Table 1" in there.source


def test_transfers_are_compared_by_the_same_probe(tables):
    across = tables["transfer"].set_index(["trained on", "loss"])
    assert {"CIFAR-10", "CIFAR-100"} <= set(across)
    assert across.loc[("CIFAR-10", "DCL"), "CIFAR-100"] == "50.00 ± 0.00 (n=5)", "the seeds that transfers are run with"
    assert across.loc[("CIFAR-10", "DCL"), "CIFAR-10"] == "79.00 ± 0.00 (n=5)", "the same probe as of transfers"
    assert "STL-10" not in across.index.get_level_values("trained on"), "it is not trained at the batch size asked for"


def test_a_transfer_that_is_asked_for_and_has_not_run_says_so(results_of_several):
    results = type(results_of_several)(results_of_several.folder, results_of_several.suite)
    results.__dict__["runs"] = results.runs[results.runs.method != "dcl"]
    across = TABLES["transfer"].make(results).set_index(["trained on", "loss"])
    assert across.loc[("CIFAR-10", "DCL"), "CIFAR-100"] == "not run"
    assert across.loc[("CIFAR-10", "DHEL"), "CIFAR-100"] != "not run"


def test_a_transfer_that_nobody_asks_for_is_an_empty_cell(tmp_path):
    """Grey encoders can't take colour, and may not be asked to take all that is grey."""

    def change(content):
        split = {"split": {"train": 1000, "validation": 100, "test": 400}}
        content["datasets"] = {name: split for name in ("digits", "fashion_mnist", "cifar10")}
        content["transfer"] = {"batch_size": 16, "datasets": {"digits": {}, "cifar10": {}}}

    results = results_of(tmp_path / "results", suite_of(tmp_path, change))
    across = TABLES["transfer"].make(results).set_index(["trained on", "loss"])
    titles = ["digits", "Fashion-MNIST", "CIFAR-10"]
    empty = {title: (across.loc[title, titles] == "").all().tolist() for title in titles}
    assert empty == {
        "digits": [False, True, True],
        "Fashion-MNIST": [False, False, True],
        "CIFAR-10": [True, True, False],
    }


def test_every_point_of_the_causes_has_its_row(tables, results_of_several):
    points = tables["causes_points"]
    suite = results_of_several.suite
    asked = [method for name in suite.datasets for method in suite.methods_of(name).values()]
    assert len(points) == sum(len(method.grid) for method in asked if method.section == "causes")
    assert set(points["data set"]) == {"CIFAR-10"}
    assert set(points[points.loss == "kcl-w"].gamma) == {"1", "4"}
    tempered = points[points.loss != "kcl-w"].iloc[-1]
    alignment = f"{0.2 * (float(tempered.weight) / float(tempered.temperature)) ** 0.5:.3f} ± "
    assert tempered["alignment of z"].startswith(alignment)
    assert tempered["learning rate"] == "0.3"


WEIGHT, CROSS_VIEW = "weight doubled: DHEL sum - mean", "other view's negatives removed: DHEL mean - DCL"


def test_effects_of_the_causes_hold_the_truth(tables):
    effects = tables["causes_effects"]
    assert set(effects["data set"]) == {"CIFAR-10"}
    assert "not run" not in said(effects)
    effects = effects.set_index(["effect of", "learning rate", "at"])
    rates = ["0.1", "0.3", "equal, mean", "each side's best"]
    assert effects.loc[WEIGHT].index.tolist() == [(rate, at) for rate in rates for at in ("τ = 0.1", "τ = 1", "all")]
    assert ("kcl-w: γ = 4 - 1", "equal, mean", "all") in effects.index
    ranks = effects["effective rank of z"]
    for step, truth in ((WEIGHT, 5 * np.log(2)), (CROSS_VIEW, 0.0)):
        for rate in rates:
            low, high = map(float, ranks[step, rate, "all"].split("(")[1].rstrip(")").split(" to "))
            assert low < truth < high


def test_the_recipe_has_a_column_a_data_set(tables, results_of_several):
    recipe = tables["recipe"].set_index("setting")
    assert list(recipe) == ["CIFAR-10", "CIFAR-100", "STL-10"]
    sizes = [results_of_several.sizes(name) for name in results_of_several.datasets]
    assert recipe.loc["batch_sizes"].tolist() == [", ".join(map(str, here)) for here in sizes]
    assert recipe.loc["causes.batch_size"].nunique() == 1
    assert recipe.loc["probe.augmented.augment.flip"].tolist() == ["0.5"] * 3


def test_a_recipe_says_nothing_of_sections_that_a_suite_has_not(tmp_path):
    recipe = TABLES["recipe"].make(results_of(tmp_path / "results", suite_of(tmp_path)))
    assert recipe.setting.is_unique
    for key in ("causes", "transfer", "probe.augmented", "title"):
        assert not recipe.setting.str.startswith(key).any()


def test_every_run_is_listed_with_its_revision(tables, results_of_several, tmp_path):
    assert len(tables["runs"]) == len(results_of_several.runs)
    results = results_of(tmp_path / "results", suite_of(tmp_path))
    results.runs["git_revision"] = "0123456789abcdef+changes"
    assert set(runs.tabulate(results)["Git revision"]) == {"0123456789+changes"}


def test_statements_are_counted_by_claim_and_data_set(tables):
    summary = tables["claims_summary"].set_index(["claim", "data set"])
    summary.index = summary.index.map(lambda key: (key[0].split(":")[0], key[1]))
    assert tables["claims_summary"].claim.iloc[0] == "C3: better accuracy"
    assert summary.loc[("C3", "STL-10"), "not run"] == "1", "of DHEL and DCL, the one pair that the suite has"
    assert set(summary.index.get_level_values(0)) == {"C3", "C4", "C5", "C6", "C6 causes"}


def test_statements_that_a_suite_does_not_ask_are_not_listed(tables, results_of_several):
    """On losses that it lacks; and where it has one batch size, as on STL-10, or one setting, also there."""
    ledger, listed = results_of_several.table("claims"), tables["claims"]
    assert not listed[listed["data set"] == "STL-10"].statement.str.contains("SimCLR").any()
    of_suite = ledger[ledger.note != "not in this suite"]
    in_suite = of_suite.groupby([of_suite.dataset.map(dataset_title).rename("data set"), "claim"]).size()
    less = in_suite.sub(listed.groupby(["data set", "claim"]).size(), fill_value=0)
    assert set(less[less > 0].index.get_level_values("claim")) == {"C4", "C5"}
    assert set(listed[listed["data set"] == "STL-10"].claim) == {"C3", "C6"}


def test_costs_stand_beside_what_was_planned(tmp_path):
    results = results_of(tmp_path / "results", suite_of(tmp_path))
    costs = TABLES["costs"].make(results)
    assert set(zip(costs["views a second"], costs["planned"], strict=True)) == {("1000", "1100")}
    table = results.table("costs").assign(planned_views_per_second=float("nan"))
    table.to_csv(results.folder / "costs.csv", index=False)
    assert set(TABLES["costs"].make(results)["planned"]) == {""}


def test_one_setting_is_no_grid(tables):
    assert set(tables["robustness"]["data set"]) == {"CIFAR-10", "CIFAR-100"}


def words_and_pairs(content):
    content["losses"]["dhel"]["form"] = ["mean", "sum"]
    content["losses"]["kcl-log"]["gamma"] = [4.0, 16.0]


def test_grids_of_words_have_no_edge(tmp_path):
    """And a grid of which not all points are there has selected none."""

    def missing(run):
        return run.method == "dcl" and run.role == "grid" and run.loss["temperature"] == 0.1

    results = results_of(tmp_path / "results", suite_of(tmp_path, words_and_pairs), without=missing)
    rows = robustness.tabulate(results).set_index("loss")
    assert set(rows.loc["DHEL", "selected"]) == {"form=mean temperature=0.1 (edge)"}
    assert set(rows.loc["KCL log", "selected"]) == {"t=1.0 (edge) gamma=4.0 (edge)"}
    assert set(rows.loc["DCL", "selected"]) == {"not run"}


def test_the_spread_over_the_grid_by_hand():
    cells = robustness.spread(pd.Series([97.0, 98.0, 96.5]), close=1.0)  # in the order of choice on validation
    assert cells == {
        "settings": "3",
        "expected of 1": "97.17",
        "expected best of 2": f"{(2 * 97 + 98) / 3:.2f}",
        "best on validation": "97.00",
        "worst on validation": "96.50",
        "least": "96.50",
        "within 1 point of the best": "2/3",
        "gain if selected on test": "1.00",
    }
