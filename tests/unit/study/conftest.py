import shutil

import pytest
import yaml

from tests.pipeline import ROOT


@pytest.fixture
def root(tmp_path):
    """A folder with the config files, to be edited."""
    shutil.copytree(ROOT / "config", tmp_path / "config")
    return tmp_path


@pytest.fixture
def smoke(root):
    """Changes the suite smoke below `root`: smoke(lambda content: ...)."""

    def change(edit):
        path = root / "config/suites/smoke.yaml"
        content = yaml.safe_load(path.read_text())
        edit(content)
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        return path

    return change


def edited(root, old, new, file="config/suites/smoke.yaml"):
    """Path of a config file in which `old` was replaced once."""
    path = root / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return path
