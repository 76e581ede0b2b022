import json

import pytest

from dhel_kcl.files import DamagedError, read_json
from dhel_kcl.steps import select


def run_folder(root, name, validation, test):
    folder = root / name / "seed0"
    folder.mkdir(parents=True)
    subsets = {"validation": {"accuracy": validation, "cross_entropy": 1.0}, "test": {"accuracy": test}}
    (folder / "probe.json").write_text(json.dumps(subsets))
    (folder / "spec.json").write_text(
        json.dumps({"loss": {"name": "dhel", "temperature": 0.1}, "training": {"epochs": 2, "learning_rate": 0.3}})
    )
    return folder


def test_test_results_are_never_read(tmp_path, call):
    folders = [run_folder(tmp_path, "a", 80, 99), run_folder(tmp_path, "b", 90, 10)]
    out = tmp_path / "selected.json"
    call(select, "--candidates", *folders, "--out", out)
    assert (read_json(out)["run"], read_json(out)["learning_rate"]) == ("b", 0.3)
    assert [c["run"] for c in read_json(out)["candidates"]] == ["a", "b"]
    assert "99" not in out.read_text()


def test_a_damaged_run_is_named_with_the_remedy(tmp_path, call):
    folders = [run_folder(tmp_path, "a", 80, 99), run_folder(tmp_path, "b", 90, 10)]
    (folders[1] / "probe.json").write_text("{}")
    with pytest.raises(DamagedError, match=r"b/seed0 is damaged .*delete it and run again"):
        call(select, "--candidates", *folders, "--out", tmp_path / "selected.json")
