import numpy as np
import pandas as pd

from dhel_kcl.presentation import table_files

TABLE = pd.DataFrame({"accuracy (%)": ["90.0 ± 1.0"], "selected": ["form=sum_a"]})
NOTE = "Computed with earlier code (revision a_b & <c>)."


def test_mean_spread_and_n():
    assert table_files.mean_and_spread(pd.Series([1.0, 2.0, 3.0]), 2) == "2.00 ± 1.00 (n=3)"
    assert table_files.mean_and_spread(pd.Series([1.0]), 1) == "1.0 (n=1)"
    assert table_files.mean_and_spread(pd.Series([np.nan]), 1) == "-", "run, but without such a value"
    assert table_files.mean_and_spread(pd.Series([], dtype=float), 1) == "not run"


def test_a_missing_number_is_an_empty_cell():
    assert table_files.number(1.234, ".2f") == "1.23"
    assert table_files.number(float("nan"), ".2f") == ""


def test_latex_escapes_what_latex_would_read():
    text = table_files.latex(TABLE)
    assert r"accuracy (\%)" in text
    assert r"90.0 $\pm$ 1.0" in text
    assert r"sum\_a" in text
    assert r"\toprule" in text
    hostile = table_files.latex(pd.DataFrame({"my_set & co": ["$5 #1 <2"]}))
    assert r"my\_set \& co" in hostile
    assert r"\$5 \#1 $<$2" in hostile
    text = table_files.latex(pd.DataFrame({"τ": ["γ = −1", r"C:\{a}~^"]}))
    assert r"$\tau$" in text
    assert r"$\gamma$ = $-$1" in text
    assert r"C:\textbackslash{}\{a\}\textasciitilde{}\textasciicircum{}" in text
    assert text.isascii()


def test_a_table_is_written_in_every_format(tmp_path):
    table_files.write_table(TABLE, tmp_path / "linear_evaluation")
    assert {path.suffix[1:] for path in tmp_path.iterdir()} == set(table_files.FORMATS)
    assert (tmp_path / "linear_evaluation.csv").read_text() == "accuracy (%),selected\n90.0 ± 1.0,form=sum_a\n"
    assert "<title>linear evaluation</title>" in (tmp_path / "linear_evaluation.html").read_text()
    assert (tmp_path / "linear_evaluation.md").read_text().startswith("| accuracy (%)")


def test_a_note_stands_below_the_table_but_not_in_the_csv(tmp_path):
    table_files.write_table(TABLE, tmp_path / "plain")
    table_files.write_table(TABLE, tmp_path / "noted", NOTE)
    plain, noted = (
        {f: (tmp_path / f"{name}.{f}").read_text() for f in table_files.FORMATS} for name in ("plain", "noted")
    )
    assert noted["csv"] == plain["csv"]
    assert noted["md"] == f"{plain['md']}\n{NOTE}\n"
    assert noted["tex"].startswith(plain["tex"])
    assert r"{\footnotesize Computed with earlier code (revision a\_b \& $<$c$>$).}" in noted["tex"]
    assert "</table>\n<p>Computed with earlier code (revision a_b &amp; &lt;c&gt;).</p>" in noted["html"]
