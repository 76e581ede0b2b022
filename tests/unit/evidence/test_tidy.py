import numpy as np
import pandas as pd
import pytest

from dhel_kcl.evidence.tidy import COLUMNS, Results, judged, pack, unpack, where
from dhel_kcl.study.suite import Suite
from tests.pipeline import ROOT

COMMITTED = ("digits", "cifar10_variance")
SUITES = {name: Results(ROOT / f"results/{name}", Suite.load(ROOT, name)) for name in (*COMMITTED, "digits_causes")}


@pytest.mark.parametrize("count", [1, 7, 8, 600])
def test_packed_predictions_come_back(count):
    correct = np.random.default_rng(count).random(count) < 0.5
    assert (unpack(pack(correct), count) == correct).all()
    with pytest.raises(ValueError, match="not for"):
        unpack(pack(correct), count + 8)


@pytest.mark.parametrize("suite", COMMITTED)
@pytest.mark.parametrize("name", COLUMNS)
def test_the_committed_tables_have_their_columns(suite, name):
    columns = list(SUITES[suite].table(name))
    assert columns == COLUMNS[name]


@pytest.mark.parametrize("name", COLUMNS)
def test_tables_of_another_version_are_named_with_the_remedy(tmp_path, name):
    suite = Suite.load(ROOT, "smoke")
    remedy = "run `snakemake --cores all smoke` to make it"
    with pytest.raises(FileNotFoundError, match=rf"{name}\.csv is missing; {remedy}"):
        Results(tmp_path, suite).table(name)
    pd.DataFrame(columns=COLUMNS[name]).rename(columns={"section": "part"}).to_csv(tmp_path / f"{name}.csv")
    with pytest.raises(ValueError, match=rf"{name}\.csv has no column 'section', .*; {remedy} anew"):
        Results(tmp_path, suite).table(name)


def test_what_a_suite_asks_for_comes_in_its_order():
    results = SUITES["digits"]
    assert results.sizes("digits") == results.all_sizes == [16, 64, 128]
    assert results.methods("losses") == ["simclr", "dcl", "dhel", "kcl-gaussian", "kcl-log"]
    causes = SUITES["digits_causes"]
    assert causes.methods("causes", "digits")[:3] == ["simclr", "dcl", "dhel-mean"]
    assert (results.datasets_of("ablations"), results.datasets_of("causes")) == (["digits"], [])
    assert (causes.datasets_of("losses"), causes.datasets_of("causes")) == ([], ["digits"])
    assert (causes.all_sizes, causes.floors("digits")) == ([], [])
    assert results.floors("digits") == ["pixels", "random", "supervised"]


def test_results_are_judged_at_the_final_length_where_there_is_one():
    """In the place of the selected settings at the length at which they were tuned."""
    results = Results(ROOT, Suite.load(ROOT, "smoke"))
    table = pd.DataFrame(
        {
            "dataset": "digits",
            "section": ["losses", "final", "ablations", "floors"],
            "selected": [True, True, True, True],
        }
    )
    vars(results)["runs"] = table
    assert results.selected.section.tolist() == ["final", "ablations", "floors"]
    assert judged(table, Suite.load(ROOT, "digits")).equals(table), "there is none"


def test_rows_with_all_of_these_values():
    table = pd.DataFrame({"a": [1, 1, 2], "b": ["x", "y", "x"]})
    assert where(table, a=1, b="x").index.tolist() == [0]
    assert where(table, a=2, b="y").empty
