"""One run shared by two processes under torchrun. Each test takes 10 to 20 s, most of it to start processes."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dhel_kcl.runtime.files import read_json
from dhel_kcl.training import device

SCRIPT = Path(__file__).with_name("without_batch_normalisation.py")


def command(content, digits_folder, split_file, folder):
    python = [sys.executable]
    if content["processes"] > 1:
        python += ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(content["processes"])]
    arguments = ["--spec", json.dumps(content), "--data", digits_folder, "--split", split_file]
    return [*python, SCRIPT, *map(str, arguments), "--out", folder / "out", "--scratch", folder / "scratch"]


@pytest.mark.parametrize(
    "loss",
    [
        {"name": "dhel", "form": "sum", "temperature": 0.3},
        {"name": "kcl", "kernel": "gaussian", "t": 2.0},
        {"name": "supervised"},
    ],
    ids=lambda loss: loss["name"],
)
def test_two_processes_train_as_one(pretrain_spec, digits_folder, split_file, tmp_path, loss):
    curves = []
    for processes in (1, 2):
        content = pretrain_spec | {"loss": loss, "processes": processes}
        content["training"] = content["training"] | {"learning_rate": 0.05}
        folder = tmp_path / str(processes)
        subprocess.run(command(content, digits_folder, split_file, folder), check=True, capture_output=True)
        curves.append(pd.read_csv(folder / "out/log.csv").drop(columns="views_per_second"))
        assert read_json(folder / "out/provenance.json")["processes"] == processes
    np.testing.assert_allclose(curves[0], curves[1], rtol=1e-5, atol=1e-5)
    assert curves[0].loss.nunique() == 3  # it did train


def test_processes_that_are_told_to_stop_go_on_as_if_never_stopped(pretrain_spec, digits_folder, split_file, tmp_path):
    content = pretrain_spec | {"processes": 2, "training": pretrain_spec["training"] | {"epochs": 60}}
    for name in ("whole", "stopped"):
        process = subprocess.Popen(
            command(content, digits_folder, split_file, tmp_path / name), stderr=subprocess.PIPE, text=True
        )
        if name == "stopped":
            while " 0/360" not in (line := process.stderr.readline()) or not line:
                assert process.poll() is None
            time.sleep(0.2)
            process.send_signal(signal.SIGTERM)
            assert process.wait() != 0
            assert (tmp_path / "stopped/scratch/last.pt").is_file()
            assert not (tmp_path / "stopped/out/provenance.json").exists()
            process = subprocess.Popen(
                command(content, digits_folder, split_file, tmp_path / name), stderr=subprocess.PIPE, text=True
            )
            _, output = process.communicate()
            assert "resuming after step" in output
        else:
            process.communicate()
        assert process.returncode == 0
    whole, stopped = ((tmp_path / name / "out/encoder.safetensors").read_bytes() for name in ("whole", "stopped"))
    assert whole == stopped


def test_another_number_of_processes_than_the_spec_says_is_an_error(monkeypatch):
    with pytest.raises(
        ValueError, match=r"asks for 2 processes, here are 1; start it with `torchrun --nproc-per-node 2"
    ):
        device.Group(device.choose("cpu")[0], 2)


def test_a_device_that_is_not_there_is_an_error():
    with pytest.raises(ValueError, match="torch finds no CUDA device; set device: auto or cpu"):
        device.choose("cuda")


@pytest.mark.parametrize(("has_bf16", "expected"), [(True, "bf16"), (False, "fp32")])
def test_auto_takes_the_precision_that_the_processor_has(monkeypatch, has_bf16, expected):
    monkeypatch.setattr(device, "_multiplies_bf16", lambda place: has_bf16)
    assert device.choose("cpu", "auto")[1] == expected
    assert device.choose("cpu", "bf16")[1] == "bf16"
    assert device.choose("cpu", "fp32")[1] == "fp32"
