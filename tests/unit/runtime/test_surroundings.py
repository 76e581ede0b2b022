"""What a user has set for other programs changes no result."""

import ast
import os
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


def without_encoding(tree):
    """Lines that read or write text in whatever encoding the user's locale has."""
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        name = ast.unparse(call.func)
        words = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
        modes = [
            word for word in [*words, *(v.value for k, v in given.items() if k == "mode")] if isinstance(word, str)
        ]
        binary = any("b" in mode and set(mode) <= set("rwaxbt+") for mode in modes)
        opens = name == "open" or (name.endswith(".open") and (modes or not (call.args or given)))
        foreign = name.split(".")[0] in ("gzip", "tarfile", "Image", "os")
        texts = name.endswith((".read_text", ".write_text")) and len(call.args) < 1 + name.endswith(".write_text")
        text_pipe = any(ast.unparse(given[key]) == "True" for key in given.keys() & {"text", "universal_newlines"})
        if "encoding" not in given and (texts or text_pipe or (opens and not binary and not foreign)):
            yield call.lineno


def test_no_text_is_read_or_written_in_the_locales_encoding():
    paths = [path for folder in (SOURCE, ROOT / "benchmarks") for path in folder.rglob("*.py")]
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in paths}
    assert len(trees) > 100
    assert {f"{path}:{line}" for path, tree in trees.items() for line in without_encoding(tree)} == set()
    assert list(
        without_encoding(ast.parse("open(a)\na.open('w')\na.read_text()\na.write_text(b)\nrun(text=True)"))
    ) == [*range(1, 6)]
    assert not list(without_encoding(ast.parse("open(a, 'rb')\na.open('xb')\na.read_text('utf-8')\nImage.open(a)")))
