"""docs/demo.ipynb: without outputs as it is kept, and executed from the first cell to the last, with fewer updates."""

import nbformat
import pytest
from nbclient import NotebookClient

from dhel_kcl.steps import demo
from tests.pipeline import ROOT

NOTEBOOK = ROOT / "docs/demo.ipynb"


@pytest.fixture
def notebook():
    return nbformat.read(NOTEBOOK, as_version=4)


def test_it_is_kept_without_outputs(notebook):
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell for cell in code if cell.outputs or cell.execution_count is not None] == []
    assert "%pip install" in notebook.cells[0].source  # for Colab


def test_it_runs(notebook, tmp_path, monkeypatch):
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    setting = 'folder, updates = Path("demo"), 100'
    (first,) = (cell for cell in notebook.cells if setting in cell.source)
    first.source = first.source.replace(setting, setting.replace("100", "2"))
    here = tmp_path / "here"
    here.mkdir()
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(here)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    shown = [output.data for output in outputs if "data" in output]
    (table,) = (data["text/html"] for data in shown if "text/html" in data)
    assert all(title in table for title in demo.TITLES.values())
    assert len([data for data in shown if "image/png" in data]) == 2
    assert [path.name for path in here.iterdir()] == ["demo"]
