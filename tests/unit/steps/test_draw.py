import pytest

from dhel_kcl.steps import draw
from dhel_kcl.study.suite import Suite
from tests.pipeline import ROOT
from tests.synthetic import results_of


def test_a_figure_of_a_suite_is_written_as_pdf_and_png(tmp_path, call):
    results_of(tmp_path, Suite.load(ROOT, "smoke"))
    of_smoke = ["--root", ROOT, "--suite", "smoke", "--results", tmp_path]
    call(draw, *of_smoke, "--name", "spectra", "--out", tmp_path / "spectra")
    assert (tmp_path / "spectra.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / "spectra.png").read_bytes().startswith(b"\x89PNG")


def test_a_figure_of_the_theory_is_drawn_from_its_table(tmp_path, call):
    call(draw, "--theory", "--results", ROOT / "results/theory", "--name", "minima", "--out", tmp_path / "minima")
    assert (tmp_path / "minima.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (["--suite", "smoke", "--name", "trade_of"], "unknown figure of suite smoke 'trade_of'.*; allowed: claims, "),
        (["--theory", "--name", "minimum"], "unknown figure of the theory 'minimum' .did you mean 'minima'?"),
        (["--theory", "--name", "circle"], "circle.csv is missing; run `snakemake --cores all theory`"),
        (["--suite", "smoke", "--name", "spectra"], "spectra.csv is missing; run `snakemake --cores all smoke`"),
    ],
)
def test_what_cannot_be_drawn_is_named(tmp_path, call, what, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        call(draw, "--root", ROOT, *what, "--results", tmp_path, "--out", tmp_path / "figure")
