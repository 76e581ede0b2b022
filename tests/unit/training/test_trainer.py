import copy
import csv
import itertools
import json
import math
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from dhel_kcl.data import prepared, split
from dhel_kcl.runtime.files import read_json
from dhel_kcl.training import trainer as pretrain
from dhel_kcl.training.optimiser import MomentumSGD
from dhel_kcl.training.spec import PretrainSpec


def train(content, digits_folder, split_file, scratch, fingerprint="same"):
    data = prepared.read(digits_folder)
    return pretrain.pretrain(PretrainSpec.of(content), data, split.read(split_file), scratch, fingerprint)


def command(content, digits_folder, split_file, folder):
    arguments = ["--spec", json.dumps(content), "--data", digits_folder, "--split", split_file]
    arguments += ["--out", folder / "out", "--scratch", folder / "scratch"]
    return [sys.executable, "-m", "dhel_kcl.training.trainer", *map(str, arguments)]


def test_learning_rate_warms_up_linearly_and_ends_at_zero():
    rates = [pretrain.learning_rate(step, 100, 2.0, 0.1) for step in range(100)]
    assert rates[:10] == pytest.approx([0.2 * k for k in range(1, 11)])
    assert rates[10] == 2.0
    assert rates[55] == pytest.approx(1.0)
    assert rates[-1] == pytest.approx(0, abs=1e-3)
    assert all(a >= b for a, b in itertools.pairwise(rates[10:]))


def test_the_update_is_that_of_torch_with_weight_decay_on_matrices_only():
    torch.manual_seed(0)
    ours = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    ours[1].bias.requires_grad_(False)
    theirs = copy.deepcopy(ours)
    matrices = [p for p in theirs.parameters() if p.ndim > 1]
    vectors = [p for p in theirs.parameters() if p.ndim == 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    reference, optimizer = torch.optim.SGD(groups, lr=1.0, momentum=0.9), MomentumSGD(ours, 0.9, 0.1)
    for rate in (0.1, 0.5, 0.2):
        x = torch.randn(8, 3)
        for group in reference.param_groups:
            group["lr"] = rate
        reference.zero_grad()
        theirs(x).square().sum().backward()
        reference.step()
        ours(x).square().sum().backward()
        optimizer.step(rate)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b)
    assert (ours[1].bias == 0).all()
    assert all(parameter.grad is None for parameter in ours.parameters())


@pytest.mark.parametrize(
    "loss",
    [
        {"name": "simclr", "temperature": 0.3},
        {"name": "dhel", "form": "sum", "temperature": 0.3},
        {"name": "kcl", "kernel": "log", "t": 2.0, "gamma": 16.0},
    ],
)
def test_training_lowers_the_loss_towards_its_least_value(pretrain_spec, digits_folder, split_file, tmp_path, loss):
    training = pretrain_spec["training"] | {"epochs": 10}
    run = train(pretrain_spec | {"loss": loss, "training": training}, digits_folder, split_file, tmp_path)
    first, last = run["log"][0], run["log"][-1]
    assert last["loss"] < first["loss"]
    assert 0 < last["gap"] < first["gap"]
    if loss["name"] != "simclr":
        assert last["loss"] == pytest.approx(last["alignment_term"] + last["energy_term"], abs=1e-4)
    assert last["step"] == 10 * (100 // 16)
    assert run["views"] == 2 * 16 * last["step"]


def test_the_gap_is_left_empty_where_no_least_value_is_known(pretrain_spec, digits_folder, split_file, tmp_path):
    run = train(pretrain_spec | {"batch_size": 20}, digits_folder, split_file, tmp_path)
    assert run["log"][-1]["gap"] is None


def test_floors(pretrain_spec, digits_folder, split_file, tmp_path):
    random = train(pretrain_spec | {"loss": {"name": "random"}}, digits_folder, split_file, tmp_path / "r")
    assert random["log"] == []
    assert random["views"] == 0
    supervised = train(pretrain_spec | {"loss": {"name": "supervised"}}, digits_folder, split_file, tmp_path / "s")
    assert supervised["log"][-1]["loss"] < supervised["log"][0]["loss"] < math.log(10) + 0.5
    # Both start from the same weights, and so does every loss with this seed.
    contrastive = train(
        pretrain_spec | {"training": pretrain_spec["training"] | {"learning_rate": 1e-30}},
        digits_folder,
        split_file,
        tmp_path / "c",
    )
    for key, value in random["encoder"].state_dict().items():
        if "running" not in key and "num_batches" not in key:
            torch.testing.assert_close(value, contrastive["encoder"].state_dict()[key], atol=1e-20, rtol=0)


def test_the_same_seed_gives_the_same_bits_and_another_does_not(pretrain_spec, digits_folder, split_file, tmp_path):
    runs = [
        train(pretrain_spec | {"seed": seed}, digits_folder, split_file, tmp_path / str(k))
        for k, seed in enumerate([0, 0, 1])
    ]
    weights = [run["encoder"].state_dict() for run in runs]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    assert not torch.equal(weights[0]["stem.0.weight"], weights[2]["stem.0.weight"])


def test_a_job_stopped_by_each_signal_goes_on_and_ends_as_if_never_stopped(
    pretrain_spec, digits_folder, split_file, tmp_path
):
    content = pretrain_spec | {"training": pretrain_spec["training"] | {"epochs": 200}}
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    subprocess.run(command(content, digits_folder, split_file, whole), check=True, capture_output=True)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        process = subprocess.Popen(
            command(content, digits_folder, split_file, stopped), stderr=subprocess.PIPE, text=True
        )
        while process.stderr.read(1) not in ("|", ""):  # the progress bar starts when the loop does
            pass
        time.sleep(0.1)
        process.send_signal(number)
        message = process.communicate()[1]
        assert process.returncode == pretrain.INTERRUPTED
        assert f"{number.name}: checkpoint {stopped}/scratch/last.pt written; run the same command to go on" in message
    final = subprocess.run(
        command(content, digits_folder, split_file, stopped), check=True, capture_output=True, text=True
    )
    assert "resuming after step" in final.stderr
    for name in ("encoder.safetensors", "projector.safetensors", "spec.json"):
        assert (whole / "out" / name).read_bytes() == (stopped / "out" / name).read_bytes()
    logs = []
    for folder in (whole, stopped):
        with (folder / "out/log.csv").open() as file:
            logs.append([{k: v for k, v in row.items() if k != "views_per_second"} for row in csv.DictReader(file)])
    assert logs[0] == logs[1]


def test_a_loss_that_is_not_finite_stops_the_run_with_the_remedy(
    pretrain_spec, digits_folder, split_file, tmp_path, monkeypatch
):
    def broken(self, features, labels):
        return float("nan") * self.projector(features).sum(), {}

    monkeypatch.setattr(pretrain.Contrastive, "forward", broken)
    message = r"became nan in epoch 1, step 1, learning rate .*; no step was finite. Lower training.learning_rate"
    with pytest.raises(ArithmeticError, match=message):
        train(pretrain_spec, digits_folder, split_file, tmp_path)


def test_a_batch_larger_than_the_data_is_an_error(pretrain_spec, digits_folder, split_file, tmp_path):
    with pytest.raises(ValueError, match="batch_size 101 is larger than the training set of 100 images"):
        train(pretrain_spec | {"batch_size": 101}, digits_folder, split_file, tmp_path)


def test_a_run_folder_is_a_record(pretrain_spec, digits_folder, split_file, tmp_path):
    subprocess.run(command(pretrain_spec, digits_folder, split_file, tmp_path), check=True, capture_output=True)
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == [
        "encoder.safetensors", "log.csv", "projector.safetensors", "provenance.json", "spec.json",
    ]  # fmt: skip
    assert read_json(out / "spec.json") == pretrain_spec
    record = read_json(out / "provenance.json")
    assert record["versions"]["torch"].startswith(torch.__version__.split("+")[0])
    assert record["threads"] == 1
    assert record["seed"] == 0
    assert record["training_seconds"] > 0
    with (out / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3
    assert rows[0].keys() >= {"loss", "alignment_term", "energy_term", "learning_rate", "views_per_second", "gap"}


@pytest.mark.parametrize("folder", ["out", "scratch"])
def test_a_folder_without_write_permission_is_named_before_training(
    pretrain_spec, digits_folder, split_file, tmp_path, folder
):
    for path in ("out", "scratch"):
        (tmp_path / path).mkdir()
        (tmp_path / path).chmod(0o555 if path == folder else 0o777)
    # Root may write everywhere, unless it gives that up; after the import, as the interpreter may lie in root's home.
    drop = "os.setgid(65534); os.setuid(65534); " if os.geteuid() == 0 else ""
    code = f"import os, dhel_kcl.training.trainer as step; {drop}step.cli.run(step.main)"
    arguments = command(pretrain_spec, digits_folder, split_file, tmp_path)[3:]
    for path in (tmp_path, *tmp_path.parents[:-2]):
        path.chmod(path.stat().st_mode | 0o055)
    result = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr.startswith("error: ")
    assert "cannot write to the folder" in result.stderr
    assert str(tmp_path / folder) in result.stderr
    assert len(result.stderr.splitlines()) == 1
