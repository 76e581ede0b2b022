"""One run shared by two processes under torchrun. Each test takes 10 to 30 s, most of it to start processes."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dhel_kcl.files import read_json
from dhel_kcl.training import objective
from tests import pretraining
from tests.unit.training.without_batch_normalisation import BUILDERS, without

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).with_name("without_batch_normalisation.py")
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", SCRIPT]


@pytest.mark.parametrize(
    "loss",
    [
        {"name": "dhel", "form": "sum", "temperature": 0.3},
        {"name": "kcl", "kernel": "gaussian", "t": 2.0},
        {"name": "supervised"},
    ],
    ids=lambda loss: loss["name"],
)
def test_two_processes_train_as_one(pretrain_spec, digits_folder, split_file, tmp_path, loss, monkeypatch):
    for name in BUILDERS:
        monkeypatch.setattr(objective, name, without(getattr(objective, name)))
    content = pretrain_spec | {"loss": loss, "training": pretrain_spec["training"] | {"learning_rate": 0.05}}
    curves = []
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        options = pretraining.options(content | {"processes": processes}, digits_folder, split_file, folder)
        if processes == 1:
            assert pretraining.here(monkeypatch, options)[0] == 0
        else:
            subprocess.run([*TORCHRUN, *options], check=True, capture_output=True)
        curves.append(pd.read_csv(folder / "out/log.csv").drop(columns="views_per_second"))
        assert read_json(folder / "out/provenance.json")["processes"] == processes
    np.testing.assert_allclose(curves[0], curves[1], rtol=1e-5, atol=1e-5)
    assert curves[0].loss.nunique() == 3  # it did train


def test_processes_that_are_told_to_stop_go_on_as_if_never_stopped(pretrain_spec, digits_folder, split_file, tmp_path):
    content = pretrain_spec | {"processes": 2, "training": pretrain_spec["training"] | {"epochs": 60}}

    def begin(name):
        command = [*TORCHRUN, *pretraining.options(content, digits_folder, split_file, tmp_path / name)]
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)

    for name in ("whole", "stopped"):
        process = begin(name)
        if name == "stopped":
            while " 0/360" not in (line := process.stderr.readline()) or not line:
                assert process.poll() is None
            time.sleep(0.2)
            process.send_signal(signal.SIGTERM)
            assert process.wait() != 0
            assert (tmp_path / "stopped/scratch/last.pt").is_file()
            assert not (tmp_path / "stopped/out/provenance.json").exists()
            process = begin(name)
            _, output = process.communicate()
            assert "resuming after step" in output
        else:
            process.communicate()
        assert process.returncode == 0
    whole, stopped = ((tmp_path / name / "out/encoder.safetensors").read_bytes() for name in ("whole", "stopped"))
    assert whole == stopped
