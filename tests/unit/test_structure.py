"""The house as its plan says: who imports whom, short functions, packages that say what they are."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dhel_kcl import __file__ as package
from tests.pipeline import ROOT

SOURCE = Path(package).parent
PACKAGES = sorted(path.parent for path in SOURCE.glob("*/__init__.py"))


def test_imports_keep_to_the_contracts():
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
    assert "6 kept, 0 broken" in result.stdout


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_function_is_longer_than_a_screen_or_two(path):
    functions = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.FunctionDef)]
    assert {node.name: node.end_lineno - node.lineno for node in functions if node.end_lineno - node.lineno >= 80} == {}


@pytest.mark.parametrize("folder", PACKAGES, ids=lambda folder: folder.name)
def test_a_package_says_what_lives_there_what_it_may_import_and_what_a_change_reruns(folder):
    text = " ".join((ast.get_docstring(ast.parse((folder / "__init__.py").read_text("utf-8"))) or "").split())
    assert len(text) > 100
    assert "import" in text.lower() or "knows NumPy and SciPy alone" in text
    assert "change" in text.lower()


def test_importing_a_loss_costs_nothing_but_torch_and_numpy():
    code = "import sys, dhel_kcl.losses.dhel_loss; print(*(name for name in sys.modules if '.' not in name))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pandas", "yaml", "pydantic", "matplotlib", "scipy", "torchvision"} & set(loaded)


def test_a_plan_of_the_workflow_waits_neither_for_torch_nor_for_seaborn():
    files = [ROOT / "Snakefile", *sorted((ROOT / "workflow/rules").glob("*.smk"))]
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    imports = re.findall(r"^from dhel_kcl[\w.]* import (?:\([^)]*\)|[^(\n]+)", text, re.MULTILINE)
    assert len(imports) > 10
    code = "\n".join(["import sys", *imports, "print(*(name for name in sys.modules if '.' not in name))"])
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "seaborn", "matplotlib"} & set(loaded)
