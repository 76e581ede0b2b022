import io
from importlib import import_module

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from dhel_kcl.evidence import collect as combine
from dhel_kcl.evidence import published
from dhel_kcl.evidence import tables as table
from dhel_kcl.evidence import verdicts as claims
from dhel_kcl.evidence.figures import figures_of
from dhel_kcl.evidence.tidy import Results
from dhel_kcl.evidence.verdicts import judge, ledger
from dhel_kcl.presentation import table_files as tabular
from dhel_kcl.steps import compare
from dhel_kcl.study.suite import Suite
from tests.pipeline import ROOT
from tests.synthetic import results_of, suite_of, write

BOOK = ledger() | {"draws": 50}


def test_mean_spread_and_n():
    assert tabular.mean_and_spread(pd.Series([1.0, 2.0, 3.0]), 2) == "2.00 ± 1.00 (n=3)"
    assert tabular.mean_and_spread(pd.Series([1.0]), 1) == "1.0 (n=1)"
    assert tabular.mean_and_spread(pd.Series([np.nan]), 1) == "-", "run, but without such a value"
    assert tabular.mean_and_spread(pd.Series([], dtype=float), 1) == "not run"


def test_over_seeds_counts_and_averages():
    key = {"dataset": "d", "part": "losses", "method": "m", "batch_size": 16}
    parts = [pd.DataFrame({"space": "z", "index": [1, 2], "value": [1.0, x]}).assign(**key) for x in (0.2, 0.4)]
    result = combine.over_seeds(parts, ["space", "index"], "value")
    assert result["mean"].tolist() == pytest.approx([1.0, 0.3])
    assert result["std"].tolist() == pytest.approx([0.0, np.std([0.2, 0.4], ddof=1)])
    assert result["seeds"].tolist() == [2, 2]


def test_summary_averages_the_selected_runs_only():
    row = {"dataset": "d", "part": "losses", "method": "dhel", "batch_size": 16, "validation_accuracy": 1.0}
    row |= {"z_effective_rank": 2.0, "z_wasserstein_uniformity": 0.1, "z_uniformity": -1.0, "z_alignment": np.nan}
    runs = pd.DataFrame([row | {"selected": s, "test_accuracy": a} for s, a in ((True, 80), (True, 90), (False, 0))])
    entry = combine.summary(runs)["d"]["dhel"]["M16"]
    assert entry["test_accuracy"] == 85
    assert entry["seeds"] == 2
    assert "z_alignment" not in entry


def test_the_digits_suite_runs_what_it_says():
    suite = Suite.load(ROOT, "digits")
    main = [run for run in suite.runs if run.section == "losses"]
    assert len([run for run in main if run.role == "grid"]) == 5 * 3 * 3
    assert len([run for run in main if run.role == "selected"]) == 5 * 3 * 9
    assert {run.seed for run in main if run.role == "selected"} == set(range(1, 10))
    assert len([run for run in suite.runs if run.section == "trade_off"]) == 3 * 3 * 4 * 3
    assert {run.method for run in suite.runs if run.section == "floors"} == {"pixels", "random", "supervised"}
    one = next(run for run in main if run.role == "selected")
    assert [r.role for r in suite.candidates(one.dataset, one.method, one.batch_size)] == ["grid"] * 3
    assert {(r.method, r.batch_size) for r in suite.candidates(one.dataset, one.method, one.batch_size)} == {
        (one.method, one.batch_size)
    }


def test_swapped_values_change_the_digest_but_comments_do_not(tmp_path):
    import shutil

    shutil.copytree(ROOT / "config", tmp_path / "config")
    path = tmp_path / "config/suites/smoke.yaml"
    text, before = path.read_text(), Suite.load(tmp_path, "smoke").digest()
    path.write_text("# a comment\n" + text)
    assert Suite.load(tmp_path, "smoke").digest() == before
    path.write_text(text.replace("brightness: 0.4", "brightness: 0.3").replace("momentum: 0.9", "momentum: 0.8"))
    assert Suite.load(tmp_path, "smoke").digest() != before


def test_comparison_reports_what_is_beyond_its_tolerance():
    committed = {"d": {"dhel": {"M16": {"test_accuracy": 90.0, "seeds": 5}}}}
    lines, beyond = compare.compare(committed, {"d": {"dhel": {"M16": {"test_accuracy": 91.0, "seeds": 5}}}})
    assert beyond == []
    assert lines == ["seeds: largest difference 0, tolerance 0", "test_accuracy: largest difference 1, tolerance 2"]
    _, beyond = compare.compare(committed, {"d": {"dhel": {"M16": {"test_accuracy": 95.0, "seeds": 4}}}})
    assert [line.split(":")[0] for line in beyond] == ["d.dhel.M16.seeds", "d.dhel.M16.test_accuracy"]
    _, beyond = compare.compare(committed, {"d": {}})
    assert beyond == ["d.dhel.M16.seeds: only in one of the two", "d.dhel.M16.test_accuracy: only in one of the two"]


def test_another_selected_setting_is_compared_by_its_accuracy_alone():
    runs = "dataset,method,batch_size,selected,parameters\nd,dhel,16,True,t=1\nd,dhel,16,False,t=2\nd,pixels,64,True,\n"
    assert compare.selected(io.StringIO(runs)) == {("d", "dhel", "M16"): "t=1"}
    before, now = ({"d": {"dhel": {"M16": {"test_accuracy": 90.0, "z_effective_rank": x}}}} for x in (20.0, 40.0))
    assert compare.compare(before, now)[1] == ["d.dhel.M16.z_effective_rank: 20 committed, 40 now"]
    lines, beyond = compare.compare(before, now, [("d", "dhel", "M16")])
    assert beyond == []
    assert lines == ["test_accuracy: largest difference 0, tolerance 2"]


def test_latex_escapes_what_latex_would_read():
    text = tabular.latex(pd.DataFrame({"accuracy (%)": ["90.0 ± 1.0"], "selected": ["form=sum_a"]}))
    assert r"accuracy (\%)" in text
    assert r"90.0 $\pm$ 1.0" in text
    assert r"sum\_a" in text
    assert r"\toprule" in text


def several(content):
    """Data sets with other batch sizes, losses and seeds, and every optional part."""
    split = {"split": {"train": 1000, "validation": 40, "test": 60}}
    losses = {name: content["losses"][name] for name in ("dcl", "dhel")}
    fixed = {name: entry | {"temperature": 0.3} for name, entry in losses.items()}
    content["datasets"] = {
        "cifar10": split,
        "cifar100": split | {"batch_sizes": [32, 256]},
        "stl10": split | {"batch_sizes": [256], "losses": fixed, "seeds": {"selected": [1, 2]}},
    }
    content["batch_sizes"] = [16, 32, 64]
    content["ablations"] |= {"datasets": ["cifar10"]}
    curve = {"temperature": [0.1, 1.0], "energy_weight": [1.0, 2.0]}
    curves = {"dcl-w": {"loss": "dcl"} | curve, "dhel-w": {"loss": "dhel", "form": "mean"} | curve}
    content["trade_off"] = {"datasets": ["cifar10"], "batch_size": 32, "seeds": [0, 1, 2], "losses": curves}
    content["transfer"] = {"batch_size": 32}
    content["probe"]["augmented"] = {"augment": {"flip": 0.5}}


def complete(results):
    """The results with claims.csv."""
    judge(results, BOOK).to_csv(results.folder / "claims.csv", index=False)
    return results


def tables_from(results):
    return {name: table.TABLES[name](results) for name in table.tables_of(results.suite)}


def draw_all(results):
    for name in figures_of(results.suite):
        plt.close(import_module(f"dhel_kcl.evidence.figures.{name}").draw(results))


def said(cells):
    """All text of a table."""
    return " ".join(cells.astype(str).to_numpy().ravel())


SUBSETS = {
    "a loss": lambda runs: runs.method != "simclr",
    "a batch size": lambda runs: runs.batch_size != 16,
    "the selected seeds": lambda runs: runs.role != "selected",
    "the grid": lambda runs: runs.role != "grid",
    "all losses": lambda runs: runs.part != "losses",
    "the floors": lambda runs: runs.part != "floors",
}


@pytest.mark.parametrize("missing", SUBSETS)
def test_tables_and_figures_of_a_partly_done_suite(tmp_path, missing):
    """Of the committed digits, without one part of the runs. Figures take 2 s."""
    suite, runs = Suite.load(ROOT, "digits"), pd.read_csv(ROOT / "results/digits/runs.csv")
    runs = runs.reindex(columns=runs.columns.union(["knn_accuracy", "cached_test_accuracy"], sort=False))
    write(tmp_path, runs[SUBSETS[missing](runs)])
    tables = tables_from(complete(Results(tmp_path, suite)))
    if missing in ("a loss", "the selected seeds", "all losses"):
        draw_all(Results(tmp_path, suite))
    accuracy = tables["linear_evaluation"].set_index("loss")
    assert len(accuracy) == 8
    expected = {
        "a loss": accuracy.loc["SimCLR"].iloc[1:],
        "a batch size": accuracy["M = 16"].drop(["floor: raw pixels", "floor: random encoder", "floor: supervised"]),
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


def test_a_suite_of_several_data_sets_has_all_tables_and_figures(tmp_path):
    """One data set is not run at all. 6 s, for the figures."""
    suite = suite_of(tmp_path, several)
    truth = {"cifar10": 88.0, "cifar100": 60.0, "stl10": 84.0}

    def accuracy(run, loss):
        weight, temperature = loss.get("energy_weight", 1.0), loss.get("temperature", 1.0)
        at = {
            "z_alignment": 0.2 * (weight / temperature) ** 0.5,
            "z_effective_rank": 20 + 5 * np.log(weight / temperature),
        }
        return at | {"test_accuracy": truth[run.dataset], "transfer_cifar10": 70.0, "transfer_cifar100": 50.0}

    results = results_of(tmp_path / "results", suite, accuracy, without=lambda run: run.dataset == "stl10")
    results.runs["transfer_stl10"] = 1.0
    tables = tables_from(complete(results))
    draw_all(results)
    assert tables.keys() == table.TABLES.keys()
    rows = tables["linear_evaluation"].set_index(["data set", "loss"])
    assert rows.loc[("cifar100", "DCL"), "M = 16"] == "", "not asked for"
    assert rows.loc[("cifar100", "DCL"), "M = 256"].endswith("(n=5)")
    assert rows.loc[("stl10", "DHEL"), "M = 256"] == "not run"
    assert ("stl10", "SimCLR") not in rows.index
    assert set(tables["knn"].loc[0, ["M = 16", "M = 32"]]) == {"75.00 ± 0.00 (n=5)"}
    assert tables["cached_probe"].loc[0, "M = 16"] == "79.00 ± 0.00 (n=5)"
    across = tables["transfer"].set_index(["trained on", "loss"])
    assert across.loc[("cifar10", "DCL"), "cifar100"] == "50.00 ± 0.00 (n=4)", "the seeds that transfers are run with"
    assert across.loc[("cifar10", "DCL"), "cifar10"] == "79.00 ± 0.00 (n=4)", "the same probe as of transfers"
    assert across.loc[("stl10", "DCL"), "cifar100"] == "not run"
    assert set(tables["robustness"]["data set"]) == {"cifar10", "cifar100"}, "one setting is no grid"
    points = tables["trade_off_points"].set_index(["data set", "loss", "weight", "temperature"])
    assert len(points) == sum(
        len(entry.grid)
        for name in suite.datasets
        for entry in suite.methods_of(name).values()
        if entry.section == "trade_off"
    )
    assert set(points.index.get_level_values("data set")) == {"cifar10"}
    weight, temperature = map(float, points.loc["cifar10"].index[-1][1:])
    assert points.loc["cifar10", "alignment of z"].iloc[-1].startswith(f"{0.2 * (weight / temperature) ** 0.5:.3f} ± ")
    recipe = tables["recipe"].set_index("setting")
    assert recipe.loc["batch_sizes"].tolist() == [", ".join(map(str, results.sizes(name))) for name in suite.datasets]
    assert recipe.loc["trade_off.batch_size"].nunique() == 1
    assert len(tables["runs"]) == len(results.runs)
    results.runs["git_revision"] = "0123456789abcdef+changes"
    assert set(table.runs(results)["Git revision"]) == {"0123456789+changes"}
    summary = tables["claims_summary"].set_index(["claim", "data set"])
    summary.index = summary.index.map(lambda key: (key[0].split(":")[0], key[1]))
    assert tables["claims_summary"].claim.iloc[0] == "C3: better accuracy"
    assert summary.loc[("C3", "stl10"), "not run"] == "6"
    assert set(summary.index.get_level_values(0)) == {"C3", "C4", "C5", "C6", "C6 causes"}
    effects = tables["trade_off_effects"].set_index(["effect of", "at"])
    assert set(effects["data set"]) == {"cifar10"}
    assert [at for what, at in effects.index if what == "dhel-w − dcl-w"] == ["w = 1", "w = 2", "all"]
    ranks = effects["effective rank of z"]
    assert ranks["w = 2 − 1", "τ = 0.1"].startswith("+")
    for key in (("w = 2 − 1", "all"), ("dhel-w − dcl-w", "all")):
        truth = 5 * np.log(2) if key[0].startswith("w") else 0.0
        low, high = map(float, ranks[key].split("(")[1].rstrip(")").split(" to "))
        assert low < truth < high
    named = table.titled(tables["transfer"])
    assert {"CIFAR-10", "CIFAR-100"} <= set(named["trained on"])
    assert {"CIFAR-10", "CIFAR-100"} <= set(named)


def test_grids_of_words_and_of_two_values_have_no_edge(tmp_path):
    """And a grid of which not all points are there has selected none."""

    def change(content):
        content["losses"]["dhel"]["form"] = ["mean", "sum"]
        content["losses"]["kcl-log"]["gamma"] = [4.0, 16.0]

    def missing(run):
        return run.method == "dcl" and run.role == "grid" and run.loss["temperature"] == 0.1

    results = results_of(tmp_path / "results", suite_of(tmp_path, change), without=missing)
    rows = table.robustness(results).set_index("loss")
    assert set(rows.loc["DHEL", "selected"]) == {"form=mean temperature=0.1 (edge)"}
    assert set(rows.loc["KCL log", "selected"]) == {"t=1.0 (edge) gamma=4.0"}
    assert set(rows.loc["DCL", "selected"]) == {"not run"}
    plt.close(import_module("dhel_kcl.evidence.figures.hyperparameters").draw(complete(results)))


def test_the_spread_over_the_grid_by_hand():
    cells = table._spread_over_grid(pd.Series([97.0, 98.0, 96.5]), close=1.0)  # in the order of choice on validation
    assert cells == {
        "points": "3",
        "expected of 1": "97.17",
        "expected best of 2": f"{(2 * 97 + 98) / 3:.2f}",
        "best on validation": "97.00",
        "worst on validation": "96.50",
        "least": "96.50",
        "within 1 point of the best": "2/3",
        "gain if selected on test": "1.00",
    }


def paper_like(content):
    content["datasets"] = {"cifar10": {"split": {"train": 1000, "validation": 40, "test": 60}}}
    content["backbone"] = {"name": "resnet18"}
    content["training"]["epochs"] = 200
    content["batch_sizes"] = [64, 256]
    content["probe"]["augmented"] = {"augment": {"flip": 0.5}}


def test_published_figures_stand_beside_ours_only_where_the_conditions_are_the_same(tmp_path):
    level = {"simclr": 83.0, "dcl": 85.5, "dhel": 87.0, "dhel-mean": 86.0}

    def truth(run, loss):
        return {"test_accuracy": level.get(run.method, 0.0), "cached_test_accuracy": level.get(run.method, 1.0) - 1}

    results = results_of(tmp_path / "a", suite_of(tmp_path, paper_like), truth, {})
    rows = published.beside_ours(results).set_index(["loss", "M", "probe"])["ours (%)"].to_dict()
    assert rows["DHEL sum", "256", "augmented"] == "87.00 ± 0.00 (n=5)"
    assert rows["best baseline", "256", "augmented"] == "85.50 ± 0.00 (n=5)"
    assert rows["DCL", "64", "cached features"] == "84.50 ± 0.00 (n=5)", "not DCL with twice the weight"
    assert rows["DHEL mean", "64", "cached features"] == "85.00 ± 0.00 (n=3)"
    assert rows["SimCLR", "32", "cached features"] == "", "this batch size was not asked for"
    assert "about 86.4" in set(published.beside_ours(results)["published (%)"])

    def shorter(content):
        paper_like(content)
        content["training"]["epochs"] = 100

    other = results_of(tmp_path / "b", suite_of(tmp_path, shorter), truth, {})
    assert set(published.beside_ours(other)["ours (%)"]) == {""}
    assert "published" not in table.tables_of(Suite.load(ROOT, "digits"))
    assert published.beside_ours(Results(ROOT / "results/digits", Suite.load(ROOT, "digits"))).empty


def test_a_figure_published_for_a_temperature_stands_beside_runs_at_it(tmp_path):
    def change(content):
        paper_like(content)
        content["losses"]["simclr"]["temperature"] = [0.1, 0.07]
        del content["ablations"]

    results = results_of(tmp_path / "a", suite_of(tmp_path, change), lambda run, loss: {"test_accuracy": 80.0}, {})
    entry = published.figures(["cifar10"]).iloc[0].to_dict() | {"temperature_tuned": "no", "batch_size": "256"}
    entry |= {"probe": "augmented, SGD"}
    assert published.ours(results, entry | {"temperature": "0.07"}) == "80.00 (n=1)", "the grid's run, not selected"
    assert published.ours(results, entry | {"temperature": "0.1"}) == "80.00 ± 0.00 (n=5)"
    assert published.ours(results, entry | {"temperature": "0.2"}) == ""
    assert published.ours(results, entry | {"temperature": "0.1", "batch_size": ""}) == "", "not stated"


def test_published_figures_name_their_source_and_what_is_not_known():
    figures = published.figures()
    assert (figures.source != "").all()
    assert set(figures.precision) <= {"printed", "read off a chart"}
    assert figures.comparable.str.match("yes|partly: |no: ").all()


def test_published_figures_are_a_table_without_any_run(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["published", "--out", str(tmp_path / "published")])
    published.main()
    listed = pd.read_csv(tmp_path / "published.csv", dtype=str)
    assert len(listed) == len(published.figures())
    assert not any("ours" in header for header in listed)
    committed = (ROOT / "paper_figures/published.md").read_text()
    assert committed == (tmp_path / "published.md").read_text()


def test_claims_are_written_where_tables_find_them(tmp_path, monkeypatch):
    suite = Suite.load(ROOT, "smoke")
    results_of(tmp_path, suite)
    where = ["--root", str(ROOT), "--suite", "smoke", "--results", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["claims", *where, "--out", str(tmp_path / "claims.csv")])
    claims.main()
    monkeypatch.setattr("sys.argv", ["table", *where, "--name", "claims", "--out", str(tmp_path / "table")])
    table.main()
    text = (tmp_path / "table.md").read_text()
    assert "DHEL reaches a higher test accuracy than SimCLR" in text
    assert "too few seeds: 2 of 5" in text
    assert r"\bottomrule" in (tmp_path / "table.tex").read_text()
