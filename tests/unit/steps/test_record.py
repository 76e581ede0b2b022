import json

import pytest

from dhel_kcl.files import DamagedError
from dhel_kcl.steps import record
from tests.pipeline import ROOT


def test_evidence_is_not_written_into_a_record_that_is_not_there(tmp_path, call):
    out = tmp_path / "provenance.json"
    with pytest.raises(FileNotFoundError, match=r"provenance\.json is missing; restore it with `git checkout`, or run"):
        call(record, "--root", ROOT, "--suite", "smoke", "--evidence", "--out", out)
    assert not out.exists()


def test_evidence_is_written_and_not_checked(tmp_path, call, capsys):
    with pytest.raises(SystemExit, match="2"):
        call(record, "--theory", "--evidence", "--check", tmp_path / "provenance.json")
    assert capsys.readouterr().err.endswith("error: --evidence goes with --out\n")


@pytest.mark.parametrize("lacking", record.RECORDED)
def test_a_runs_record_without_a_key_is_named_with_the_remedy(tmp_path, lacking):
    path = tmp_path / "provenance.json"
    path.write_text(json.dumps({key: "here" for key in record.RECORDED if key != lacking}), encoding="utf-8")
    message = rf"provenance\.json is damaged \(KeyError: '{lacking}'\); delete its folder and run again to rebuild it$"
    with pytest.raises(DamagedError, match=message):
        record.circumstances([path])


def test_circumstances_are_counted(tmp_path):
    records = []
    for number, threads in enumerate([1, 1, 2]):
        content = dict.fromkeys(record.RECORDED, "same") | {
            "versions": {"torch": "2", "numpy": "3"},
            "threads": threads,
        }
        if threads == 2:
            content["gpu"] = "NVIDIA H200"
        records.append(tmp_path / f"{number}.json")
        records[-1].write_text(json.dumps(content), encoding="utf-8")
    found = record.circumstances(records)
    assert found["threads"] == {"1": 2, "2": 1}
    assert found["device"] == {"same": 2, "NVIDIA H200": 1}
    assert found["versions"] == {"torch=2 numpy=3": 3}
