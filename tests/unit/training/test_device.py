import fcntl
import os
from types import SimpleNamespace

import pytest
import torch

from dhel_kcl.training import cores, device
from dhel_kcl.training.device import Place


def test_another_number_of_processes_than_the_spec_says_is_an_error(monkeypatch):
    with pytest.raises(
        ValueError, match=r"asks for 2 processes, here are 1; start it with `torchrun --nproc-per-node 2"
    ):
        device.Group(device.choose("cpu")[0], 2)


def test_a_device_that_is_not_there_is_an_error(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="torch finds no CUDA device; set device: auto or cpu"):
        device.choose("cuda")


@pytest.mark.parametrize(("has_bf16", "expected"), [(True, "bf16"), (False, "fp32")])
def test_auto_takes_the_precision_that_the_processor_has(monkeypatch, has_bf16, expected):
    monkeypatch.setattr(device, "_multiplies_bf16", lambda place: has_bf16)
    assert device.choose("cpu", "auto")[1] == expected
    assert device.choose("cpu", "bf16")[1] == "bf16"
    assert device.choose("cpu", "fp32")[1] == "fp32"


def test_a_place_is_claimed_with_its_threads(monkeypatch):
    monkeypatch.setattr(cores, "available", lambda: 2)
    before, benchmark = torch.get_num_threads(), torch.backends.cudnn.benchmark
    try:
        place = Place.claim("cpu", "bf16", processes=1, threads=8)
        assert place.threads == torch.get_num_threads() == 2, "no more than there are cores"
        assert torch.backends.cudnn.benchmark
    finally:
        torch.set_num_threads(before)
        torch.backends.cudnn.benchmark = benchmark
    assert (place.device.type, place.precision, place.share, place.is_first) == ("cpu", "bf16", (0, 1), True)
    with place.autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16


def test_one_process_asks_nobody():
    group = device.Group(torch.device("cpu"), 1)
    assert group.any(True)
    assert not group.any(False)
    assert group.means({"loss": torch.tensor(0.5), "part": torch.tensor(2.0)})() == {"loss": 0.5, "part": 2.0}
    group.leave()


def test_float32_products_stay_in_float32_whatever_the_environment_says():
    """TORCH_ALLOW_TF32_CUBLAS_OVERRIDE, which some containers set, does what the first line does."""
    torch.set_float32_matmul_precision("high")
    try:
        device.choose("cpu")
        assert torch.get_float32_matmul_precision() == "highest"
    finally:
        torch.set_float32_matmul_precision("highest")


@pytest.fixture
def gpus(monkeypatch, tmp_path):
    """Two CUDA devices that are not there; the one that is made the current one is noted."""
    current = []
    monkeypatch.setattr(device.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: SimpleNamespace(uuid=f"gpu{index}"))
    monkeypatch.setattr(torch.cuda, "set_device", current.append)
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation: current == [torch.device("cuda:1")]
    )
    device._free_gpu.cache_clear()
    yield current
    device._free_gpu.cache_clear()


def held(path):
    """Someone else's lock on a GPU, for as long as the file is kept open."""
    file = path.open("w")
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


def test_a_gpu_that_no_other_job_holds_is_taken_and_kept(gpus, tmp_path):
    with held(tmp_path / "dhel-kcl-gpu0.lock"):
        assert device.choose("auto", "auto") == (torch.device("cuda:1"), "bf16"), "precision is that GPU's"
    assert gpus == [torch.device("cuda:1")]
    assert device.choose("cuda")[0] == torch.device("cuda:1"), "not a second one"


def test_where_all_gpus_are_held_jobs_share_one_but_processes_of_a_run_do_not(gpus, tmp_path, monkeypatch):
    with held(tmp_path / "dhel-kcl-gpu0.lock"), held(tmp_path / "dhel-kcl-gpu1.lock"):
        monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
        with pytest.raises(ValueError, match="each of 2 processes of a run needs a CUDA device of its own"):
            device.choose("cuda")
        monkeypatch.delenv("LOCAL_WORLD_SIZE")
        assert device.choose("cuda")[0].index in (0, 1)


def test_locks_of_another_user_are_looked_at_and_not_written(gpus, tmp_path, monkeypatch):
    """Whose file in a shared /tmp nobody else may write, or open as if to create it."""
    theirs, opened = tmp_path / "dhel-kcl-gpu0.lock", os.open

    def refuse(path, flags, *mode):
        if str(path) == str(theirs) and flags & (os.O_CREAT | os.O_WRONLY | os.O_RDWR):
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, flags, *mode)

    theirs.touch()
    monkeypatch.setattr(device.os, "open", refuse)
    assert device.choose("cuda")[0] == torch.device("cuda:0")
