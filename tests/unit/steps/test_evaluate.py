"""Source that was edited after a job was planned is refused by every step that computes."""

import pytest

from dhel_kcl.files import write_json
from dhel_kcl.steps import compute, evaluate, transfer
from dhel_kcl.study.suite import Suite
from tests.pipeline import ROOT

SMOKE = Suite.load(ROOT, "smoke")


@pytest.mark.parametrize("step", [evaluate, transfer, compute])
def test_source_edited_after_planning_is_refused(step, tmp_path, call):
    spec, run = tmp_path / "evaluation.json", tmp_path / "run"
    write_json(spec, SMOKE.evaluation_spec("digits"))
    write_json(run / "spec.json", SMOKE.pretrain_spec(SMOKE.runs[0]))
    options = ["--spec", spec, "--run", run, "--data", "nowhere", "--split", "nowhere", "--out", tmp_path / "out"]
    if step is compute:
        options = ["--name", "minima", "--out", tmp_path / "out", "--record", tmp_path / "record.json"]
    with pytest.raises(ValueError, match="the source changed after this job was planned; run the same command again"):
        call(step, *options, "--code", "0123")
    assert not (tmp_path / "out").exists()
