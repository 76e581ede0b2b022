import hashlib
import io
import os
import pickle
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from dhel_kcl.data import prepared, split
from dhel_kcl.files import DamagedError
from dhel_kcl.training.checkpoint import Store, fingerprint
from dhel_kcl.training.spec import PretrainSpec

STATE = {"step": 3, "log": [], "sums": {}, "last": {}, "seconds": 1.0, "model": {"w": torch.arange(50.0)}}


class Malicious:
    def __reduce__(self):
        return (os.mkdir, ("pwned",))


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "last.pt", "mine")


@pytest.fixture
def yours(tmp_path):
    """Of another run, in the same place."""
    return Store(tmp_path / "last.pt", "yours")


def test_a_checkpoint_cannot_execute_code(store, tmp_path, monkeypatch):
    """Even if its checksum and fingerprint are right."""
    monkeypatch.chdir(tmp_path)
    zipped = io.BytesIO()
    torch.save({"step": Malicious()}, zipped)
    for payload in (pickle.dumps(Malicious()), zipped.getvalue()):
        store.path.write_bytes(f"{hashlib.sha256(payload).hexdigest()}\nmine\n".encode() + payload)
        remedy = (
            r"last\.pt is damaged .*other than tensors and plain values.*; delete .*last\.pt to start this run over"
        )
        with pytest.raises(DamagedError, match=remedy):
            store.read()
    assert not (tmp_path / "pwned").exists()


def test_a_checkpoint_comes_back_whole_and_only_to_its_run(store, yours):
    assert store.read() is None
    store.write(STATE, finished=False)
    state = store.read()
    assert torch.equal(state.pop("model")["w"], STATE["model"]["w"])
    assert state == {key: value for key, value in STATE.items() if key != "model"}
    remedy = r"last\.pt is of another config, data set, code or torch version; delete .*last\.pt to start this run over"
    for again in (False, True):
        with pytest.raises(ValueError, match=remedy):
            yours.read(again)


def test_the_checkpoint_of_another_finished_run_is_superseded(store, yours):
    store.write(STATE, finished=True)
    assert store.read()["step"] == STATE["step"]
    assert yours.read() is None


def test_a_run_that_starts_again_goes_on_from_no_finished_checkpoint(store):
    store.write(STATE, finished=False)
    assert store.read(again=True)["step"] == STATE["step"]
    store.write(STATE, finished=True)
    assert store.read(again=True) is None


@pytest.mark.parametrize("damage", ["empty", "header", "content", "cut"])
def test_a_damaged_checkpoint_is_named(store, damage):
    store.write(STATE, finished=False)
    content = store.path.read_bytes()
    damaged = {"empty": b"", "header": b"x" + content[1:], "content": content[:-9] + b"x" * 9, "cut": content[:-1]}
    store.path.write_bytes(damaged[damage])
    with pytest.raises(DamagedError, match=r"last\.pt is damaged \(.*\); delete .*last\.pt to start this run over"):
        store.read()


def test_a_checkpoint_is_due_when_its_time_is_over(tmp_path, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    store = Store(tmp_path / "last.pt", "mine", seconds=60)
    clock[0] += 60
    assert not store.is_due
    clock[0] += 1
    assert store.is_due
    store.postpone()
    assert not store.is_due


def test_everything_that_a_result_depends_on_tells_runs_apart(pretrain_spec, digits_folder, split_file, monkeypatch):
    spec, data, drawn = PretrainSpec.of(pretrain_spec), prepared.read(digits_folder), split.read(split_file)
    other = split.read(split_file) | {"pretrain": drawn["pretrain"][::-1]}
    momentum = replace(spec, training=replace(spec.training, momentum=0.8))
    images = replace(data, manifest=replace(data.manifest, sha256=data.manifest.sha256 | {"images.npy": "0" * 64}))
    found = [
        fingerprint(spec, data, drawn, "code"),
        fingerprint(replace(spec, seed=1), data, drawn, "code"),
        fingerprint(momentum, data, drawn, "code"),
        fingerprint(spec, images, drawn, "code"),
        fingerprint(spec, data, other, "code"),
        fingerprint(spec, data, drawn, "other code"),
    ]
    monkeypatch.setattr(torch, "__version__", "0.1")
    found.append(fingerprint(spec, data, drawn, "code"))
    assert len(set(found)) == 7
    monkeypatch.undo()
    again = {name: np.array(index) for name, index in drawn.items()}
    assert fingerprint(PretrainSpec.of(pretrain_spec), prepared.read(digits_folder), again, "code") == found[0]
