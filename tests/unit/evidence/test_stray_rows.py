import re
import shutil

import pandas as pd
import pytest

from dhel_kcl.evidence import stray_rows, tidy
from dhel_kcl.study.suite import Suite
from tests.pipeline import ROOT

SUITE = Suite.load(ROOT, "digits")


def test_every_tidy_table_is_looked_at():
    assert set(stray_rows.KEYS) == set(tidy.COLUMNS)
    for name, keys in stray_rows.KEYS.items():
        assert set(keys) <= set(tidy.COLUMNS[name])


@pytest.mark.parametrize("name", stray_rows.KEYS)
def test_a_row_that_is_there_twice_is_named(tmp_path, name):
    """By what it is of: the second may have other numbers."""
    folder = shutil.copytree(ROOT / "results/digits", tmp_path / "digits")
    results = tidy.Results(folder, SUITE)
    stray_rows.refuse(results)
    table = results.table(name)
    again = table.iloc[1:2].copy()
    measured = [column for column in table if column not in stray_rows.KEYS[name]][-1]
    again[measured] = table[measured].iloc[0]
    tidy.write(folder / f"{name}.csv", pd.concat([table, again]))
    section, method = table.section.iloc[1], table.method.iloc[1]
    named = re.escape(f"{name}.csv has two rows of dataset digits, section {section}, method {method}, batch_size ")
    remedy = "delete it and run `snakemake --cores all digits` to make it anew, or restore it with `git checkout`"
    with pytest.raises(ValueError, match=f"{named}.*; {remedy}"):
        stray_rows.refuse(results)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("method", "kcl-cubic", "method kcl-cubic"),
        ("batch_size", 32, "batch_size 32"),
        ("seed", 77, "seed 77"),
        ("parameters", "temperature=0.9", "seed 0, parameters temperature=0.9"),
    ],
)
def test_a_run_that_the_config_does_not_ask_for_is_named(tmp_path, old, new, named):
    """As after an entry, a batch size, a seed or a value was taken out of it."""
    folder = shutil.copytree(ROOT / "results/digits", tmp_path / "digits")
    table = tidy.Results(folder, SUITE).table("runs")
    table.loc[0, old] = new
    tidy.write(folder / "runs.csv", table)
    told = f"runs.csv has a run that config/suites/digits.yaml does not ask for: dataset digits, .*{named}"
    with pytest.raises(
        ValueError, match=f"{told}.*; run `snakemake --cores all digits` to make the table anew, or restore"
    ):
        stray_rows.refuse(tidy.Results(folder, SUITE))
