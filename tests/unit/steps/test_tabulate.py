import pandas as pd
import pytest

from dhel_kcl.evidence.published import read_published
from dhel_kcl.presentation.table_files import FORMATS
from dhel_kcl.steps import judge, tabulate
from dhel_kcl.study.suite import Suite
from tests.pipeline import ROOT
from tests.synthetic import results_of


def test_claims_are_written_where_tables_find_them(tmp_path, call):
    results_of(tmp_path, Suite.load(ROOT, "smoke"))
    where = ["--root", ROOT, "--suite", "smoke", "--results", tmp_path]
    call(judge, *where, "--out", tmp_path / "claims.csv")
    call(tabulate, *where, "--name", "claims", "--note", "Earlier code.", "--out", tmp_path / "table")
    text = (tmp_path / "table.md").read_text()
    assert "DHEL reaches a higher test accuracy than SimCLR" in text
    assert "too few seeds: 1 of 5" in text
    assert text.endswith("\n\nEarlier code.\n")
    assert r"\bottomrule" in (tmp_path / "table.tex").read_text()


def test_published_figures_are_a_table_without_any_run(tmp_path, call):
    call(tabulate, "--published", "--out", tmp_path / "published")
    listed = pd.read_csv(tmp_path / "published.csv", dtype=str)
    assert len(listed) == len(read_published())
    assert not any("ours" in header for header in listed)
    committed = (ROOT / "paper_figures/published.md").read_text()
    assert committed == (tmp_path / "published.md").read_text()


def test_tables_of_the_theory_follow_from_its_committed_results(tmp_path, call):
    for name in ("claims_summary", "verdicts", "gaps"):
        call(tabulate, "--theory", "--results", ROOT / "results/theory", "--name", name, "--out", tmp_path / name)
        for extension in FORMATS:
            committed = ROOT / f"paper_figures/theory/{name}.{extension}"
            assert (tmp_path / f"{name}.{extension}").read_bytes() == committed.read_bytes()


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (
            ["--suite", "smoke", "--name", "transfer"],
            "unknown table of suite smoke 'transfer'; allowed: claims_summary, ",
        ),
        (["--suite", "smoke", "--name", "geometri"], "'geometri' .did you mean 'geometry'?"),
        (["--theory", "--name", "gap"], "unknown table of the theory 'gap' .did you mean 'gaps'?"),
    ],
)
def test_an_unknown_table_is_told_which_there_are(tmp_path, call, what, message):
    with pytest.raises(ValueError, match=message):
        call(tabulate, "--root", ROOT, *what, "--results", tmp_path, "--out", tmp_path / "table")


@pytest.mark.parametrize("what", [["--suite", "smoke", "--name", "runs"], ["--theory", "--results", "here"]])
def test_results_and_name_are_needed(tmp_path, call, capsys, what):
    with pytest.raises(SystemExit):
        call(tabulate, *what, "--out", tmp_path / "table")
    assert "--suite and --theory need --results and --name" in capsys.readouterr().err
