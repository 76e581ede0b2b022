"""What a user has set for other programs changes no result."""

import ast
import os
import re
import subprocess
import sys

import pytest

from dhel_kcl.runtime.digest import SOURCE
from tests.pipeline import ROOT

SETTINGS = """\
backend: no_such_backend
font.family: monospace
font.size: 30
lines.linewidth: 9
figure.facecolor: red
savefig.bbox: tight
pdf.compression: 0
"""


def dhel_kcl(*arguments, **environ):
    command = [sys.executable, "-m", "dhel_kcl", *map(str, arguments)]
    result = subprocess.run(command, env=os.environ | environ, capture_output=True, encoding="utf-8")
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "no_such_backend", "TkAgg"])
def test_a_backend_and_a_matplotlibrc_change_no_byte_of_a_figure(tmp_path, backend):
    (tmp_path / "matplotlibrc").write_text(SETTINGS, encoding="utf-8")
    draw = ("draw", "--theory", "--results", ROOT / "results/theory", "--name", "minima", "--out")
    usual = {"MPLBACKEND": "agg", "MATPLOTLIBRC": os.devnull}
    dhel_kcl(*draw, tmp_path / "usual", **usual)
    dhel_kcl(*draw, tmp_path / "users", MPLBACKEND=backend, MATPLOTLIBRC=str(tmp_path / "matplotlibrc"))
    for extension in ("pdf", "png"):
        assert (tmp_path / f"users.{extension}").read_bytes() == (tmp_path / f"usual.{extension}").read_bytes()


BINARY = ("gzip", "tarfile", "Image", "os")
"""Modules whose `open` reads and writes bytes."""


def reads_text(call):
    """Whether a call reads or writes text."""
    given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    module, _, name = ast.unparse(call.func).rpartition(".")
    modes = [text for text in map(ast.unparse, call.args) if re.fullmatch("'[rwaxbt+]+'", text)]
    modes += [given["mode"]] if "mode" in given else []
    if name == "open" and module not in BINARY and (not module or modes or not call.args):
        return not any("b" in mode for mode in modes)
    texts = module and name in ("read_text", "write_text")
    return texts or "True" in (given.get("text"), given.get("universal_newlines"))


def without_encoding(source):
    """Lines that do so in whatever encoding the user's locale has."""
    for call in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)):
        named = any(keyword.arg == "encoding" for keyword in call.keywords)
        placed = ast.unparse(call.func).endswith(".read_text") and call.args
        if reads_text(call) and not named and not placed:
            yield call.lineno


def test_no_text_is_read_or_written_in_the_locales_encoding():
    paths = [path for folder in (SOURCE, ROOT / "benchmarks") for path in folder.rglob("*.py")]
    found = {path: list(without_encoding(path.read_text(encoding="utf-8"))) for path in paths}
    assert len(found) > 100
    assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "line",
    ["open(a)", "a.open()", "a.open('w')", "open(a, mode='r')", "a.read_text()", "a.write_text(b)", "run(text=True)"],
)
def test_a_line_without_encoding_is_found(line):
    assert list(without_encoding(line)) == [1]
    assert list(without_encoding(line.replace(")", ", encoding='utf-8')").replace("(, ", "("))) == []
    assert list(without_encoding("open(a, 'rb')\na.open('xb')\na.read_text('utf-8')\nImage.open(a)")) == []
