"""The session on docs/collapse.md, as it stands there."""

import doctest

from tests.pipeline import ROOT


def test_the_session_prints_what_the_page_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs/collapse.md").read_text().replace("```", "")
    test = doctest.DocTestParser().get_doctest(text, {}, "docs/collapse.md", None, 0)
    assert doctest.DocTestRunner().run(test) == (0, 7)
    assert (tmp_path / "collapse.png").stat().st_size > 10_000


def test_the_page_is_of_one_screen():
    assert len((ROOT / "docs/collapse.md").read_text().splitlines()) <= 50
