import pytest

from dhel_kcl.steps import dress_report

PAGE = "<html><head><title>Snakemake Report</title></head><body><p>shown</p></body></html>"


def test_a_page_gets_title_and_script(tmp_path, call):
    page, script = tmp_path / "report.html", tmp_path / "page.js"
    page.write_text(PAGE)
    script.write_text("f();\n")
    call(dress_report, "--report", page, "--title", "A & B", "--script", script)
    text = page.read_text()
    assert "<title>A &amp; B</title>" in text
    assert text.endswith("<p>shown</p><script>\nf();\n</script>\n</body></html>")


def test_a_page_that_is_dressed_already_is_an_error():
    with pytest.raises(ValueError, match="make it anew with `make report`"):
        dress_report.dressed(dress_report.dressed(PAGE, "A", ""), "A", "")
