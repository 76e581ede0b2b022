import json

import pytest

from dhel_kcl.runtime.files import read_json
from dhel_kcl.study import selection as select


def candidate(run, accuracy, cross_entropy):
    return {"run": run, "validation_accuracy": accuracy, "validation_cross_entropy": cross_entropy}


@pytest.mark.parametrize(
    ("candidates", "expected"),
    [
        ([candidate("a", 90, 0.1), candidate("b", 91, 0.9)], "b"),
        ([candidate("a", 90, 0.2), candidate("b", 90, 0.1)], "b"),
        ([candidate("a", 90, 0.1), candidate("b", 90, 0.1)], "a"),
    ],
)
def test_validation_accuracy_then_cross_entropy_then_order(candidates, expected):
    assert select.best(candidates)["run"] == expected


def test_test_results_are_never_read(tmp_path, monkeypatch):
    for name, validation, test in (("a", 80, 99), ("b", 90, 10)):
        folder = tmp_path / name / "seed0"
        folder.mkdir(parents=True)
        parts = {"validation": {"accuracy": validation, "cross_entropy": 1.0}, "test": {"accuracy": test}}
        (folder / "probe.json").write_text(json.dumps(parts))
        (folder / "spec.json").write_text(json.dumps({"loss": {"name": "dhel", "temperature": 0.1}}))
    out = tmp_path / "selected.json"
    folders = [str(tmp_path / name / "seed0") for name in ("a", "b")]
    monkeypatch.setattr("sys.argv", ["select", "--candidates", *folders, "--out", str(out)])
    select.main()
    assert read_json(out)["run"] == "b"
    assert [c["run"] for c in read_json(out)["candidates"]] == ["a", "b"]
    assert "99" not in out.read_text()
