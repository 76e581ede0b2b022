import pytest

from dhel_kcl.steps import record
from tests.pipeline import ROOT


def test_evidence_is_not_written_into_a_record_that_is_not_there(tmp_path, monkeypatch):
    out = tmp_path / "provenance.json"
    command = ["record", "--root", str(ROOT), "--suite", "smoke", "--evidence", "--out", str(out)]
    monkeypatch.setattr("sys.argv", command)
    with pytest.raises(FileNotFoundError, match=r"provenance\.json is missing; restore it with `git checkout`, or run"):
        record.main()
    assert not out.exists()
