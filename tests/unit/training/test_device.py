import pytest
import torch

from dhel_kcl.training import cores, device
from dhel_kcl.training.device import Place


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
    assert group.means({"loss": torch.tensor(0.5), "part": torch.tensor(2.0)}) == {"loss": 0.5, "part": 2.0}
    group.leave()
