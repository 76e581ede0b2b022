import re
import shutil

import pandas as pd
import pytest

from dhel_kcl.evidence import duplicates, tidy
from dhel_kcl.study.suite import Suite
from tests.pipeline import ROOT

SUITE = Suite.load(ROOT, "digits")


def test_every_tidy_table_is_looked_at():
    assert set(duplicates.KEYS) == set(tidy.COLUMNS)
    for name, keys in duplicates.KEYS.items():
        assert set(keys) <= set(tidy.COLUMNS[name])


@pytest.mark.parametrize("name", duplicates.KEYS)
def test_a_row_that_is_there_twice_is_named(tmp_path, name):
    """By what it is of: the second may have other numbers."""
    folder = shutil.copytree(ROOT / "results/digits", tmp_path / "digits")
    results = tidy.Results(folder, SUITE)
    duplicates.refuse(results)
    table = results.table(name)
    again = table.iloc[1:2].copy()
    measured = [column for column in table if column not in duplicates.KEYS[name]][-1]
    again[measured] = table[measured].iloc[0]
    tidy.write(folder / f"{name}.csv", pd.concat([table, again]))
    section, method = table.section.iloc[1], table.method.iloc[1]
    named = re.escape(f"{name}.csv has two rows of dataset digits, section {section}, method {method}, batch_size ")
    remedy = "delete it and run `snakemake --cores all digits` to make it anew, or restore it with `git checkout`"
    with pytest.raises(ValueError, match=f"{named}.*; {remedy}"):
        duplicates.refuse(results)
