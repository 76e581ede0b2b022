"""The checks of a device, on the processor, and, marked `cuda`, on a GPU where there is one: `pytest -m cuda`."""

import pytest
import torch

from benchmarks.device_checks import CHECKS, NotHere, difference
from dhel_kcl.training import device
from dhel_kcl.views.augment import Augment

SLOW = ("streaming", "losses", "bf16 steps", "processes")


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in CHECKS])
def test_every_check_runs_and_passes_on_the_processor(name):
    """A check that compares with the processor finds nothing here but that it still runs."""
    assert CHECKS[name](torch.device("cpu"))


@pytest.mark.cuda
@pytest.mark.parametrize("name", CHECKS)
def test_a_gpu_does_as_the_processor(name):
    try:
        assert CHECKS[name](device.choose("cuda")[0])
    except NotHere as missing:
        pytest.skip(str(missing))


def test_a_difference_is_found():
    ones, other = torch.ones(3), torch.tensor([1, 1, 1.1])
    assert difference(other, 2 * ones - other, 0.3, "numbers") == pytest.approx(0.2 / 1)
    with pytest.raises(AssertionError, match=r"numbers: a difference of 0.1, above 0.01"):
        difference(other, ones, 0.01, "numbers")
    with pytest.raises(AssertionError, match="a difference of nan"):
        difference(torch.tensor([torch.nan]), torch.ones(1), 0.01, "numbers")
    with pytest.raises(AssertionError, match=r"shapes \(3,\) and \(2,\)"):
        difference(ones, ones[:2], 0.01, "numbers")


def test_views_that_are_others_are_found(monkeypatch):
    """A tenth of each second call's values are left at 0."""
    calls, real = [], Augment.apply

    def flawed(augment, images, drawn):
        calls.append(None)
        views = real(augment, images, drawn)
        views[..., : views.shape[-1] // 10 + 1] *= len(calls) % 2
        return views

    monkeypatch.setattr(Augment, "apply", flawed)
    with pytest.raises(AssertionError, match=r"cropped: .*% of the values differ by more than 0\.001"):
        CHECKS["views"](torch.device("cpu"))
