"""The promises name tests that exist."""

import ast
import re

import pytest

from tests.pipeline import ROOT

ROWS = [line for line in (ROOT / "docs/reliability.md").read_text().splitlines() if line.startswith("| ")]
PROMISES = [row.split("|") for row in ROWS if not row.startswith("| fault ")]


@pytest.mark.parametrize("row", PROMISES, ids=[row[1].strip() for row in PROMISES])
def test_every_promise_names_a_test_that_exists(row):
    assert len(row) == 6, "fault, what happens, what you do, test"
    file, name = re.fullmatch(r"`([\w/.]+)::(\w+)`", row[4].strip()).groups()
    functions = [node for node in ast.parse((ROOT / file).read_text()).body if isinstance(node, ast.FunctionDef)]
    assert name in {function.name for function in functions}
