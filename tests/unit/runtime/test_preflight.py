"""The memory estimate against what training allocates."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from dhel_kcl.data import prepared
from dhel_kcl.data.sources.digits import DESCRIPTION
from dhel_kcl.runtime import preflight
from dhel_kcl.training import cores
from dhel_kcl.training.device import Group, Place, choose
from dhel_kcl.training.objective import Model, build_networks
from dhel_kcl.training.optimiser import MomentumSGD
from dhel_kcl.training.spec import PretrainSpec

PIXELS = np.zeros((40, 1, 8, 8), np.uint8)
IMAGES = prepared.Prepared(
    PIXELS, np.zeros(40, np.int64), np.zeros(40, np.uint8), prepared.Manifest(DESCRIPTION, PIXELS.shape, 10, {})
)
CPU = torch.device("cpu")
PLACE = Place(CPU, "fp32", Group(CPU, 1))


@pytest.fixture
def spec_of(pretrain_spec):
    """Function that makes a spec with some fields changed."""
    backbone = {"name": "compact_resnet", "width": 16, "stages": 3}
    return lambda **changes: replace(PretrainSpec.of(pretrain_spec), **({"backbone": backbone} | changes))


@pytest.fixture
def every_network(monkeypatch):
    """Estimates are made for small networks too."""
    monkeypatch.setattr(preflight, "LARGE", 0)


def peak_of_a_step(spec, channels, side):
    """Most bytes allocated at a time during one training step, as torch's profiler counts them."""
    networks = build_networks(spec, channels, classes=10)
    model, labels = Model(networks.encoder, networks.objective), torch.zeros(spec.batch_size, dtype=torch.long)
    optimiser = MomentumSGD(model, 0.9, 1e-6)

    def step():
        with torch.autocast("cpu", torch.bfloat16, spec.precision == "bf16"):
            loss, _ = model(torch.rand(2 * spec.batch_size, channels, side, side), labels)
        loss.backward()
        optimiser.step(0.1)

    step()  # momentum exists from here on
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        step()
    events = [event for event in profile.profiler.kineto_results.events() if event.name() == "[memory]"]
    allocated = np.cumsum([event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())])
    return int(allocated.max())


@pytest.mark.parametrize(
    ("backbone", "channels", "side", "batch", "precision"),
    [
        ({"name": "compact_resnet", "width": 16, "stages": 3}, 1, 28, 32, "fp32"),
        ({"name": "compact_resnet", "width": 16, "stages": 3}, 1, 28, 32, "bf16"),
        ({"name": "resnet18", "stem": "small"}, 3, 32, 8, "fp32"),
    ],
)
def test_the_estimate_is_near_what_a_step_allocates(spec_of, backbone, channels, side, batch, precision):
    spec = spec_of(backbone=backbone, batch_size=batch, precision=precision)
    needed = preflight.estimate(spec, channels, side, 10, images=0, precision=precision, cuda=False)
    # Weights and momentum stay between the steps; views are made by other code, outside the step.
    counted = needed.gradients + needed.activations + needed.loss
    real = peak_of_a_step(spec, channels, side)
    # A processor that emulates bf16 copies to float32, which is not counted.
    emulated = precision == "bf16" and choose("cpu", "auto")[1] == "fp32"
    assert (0.5 if emulated else 0.75) * real < counted < 1.25 * real


def test_the_estimate_follows_batch_size_processes_and_data(spec_of):
    one = preflight.estimate(spec_of(batch_size=64), 1, 8, 10, images=0, precision="fp32")
    two = preflight.estimate(spec_of(batch_size=128), 1, 8, 10, images=0, precision="fp32")
    shared = preflight.estimate(spec_of(batch_size=128, processes=2), 1, 8, 10, images=0, precision="fp32")
    assert two.activations == pytest.approx(2 * one.activations, rel=1e-3)
    assert shared.activations == one.activations
    assert shared.loss == two.loss, "every process computes the loss of the whole batch"
    assert preflight.estimate(spec_of(), 1, 8, 10, images=1000, precision="fp32").images == 64_000
    assert one.total > one.overhead > preflight.CUDA


@pytest.mark.usefixtures("every_network")
def test_a_run_that_does_not_fit_is_refused_with_what_helps(spec_of, monkeypatch, tmp_path):
    needed = preflight.estimate(spec_of(batch_size=128), 1, 8, 10, images=0, precision="fp32", cuda=False)

    def require():
        return preflight.require(spec_of(batch_size=128), IMAGES, 0, PLACE, tmp_path)

    monkeypatch.setattr(preflight, "free_bytes", lambda device: needed.total)
    assert require() == needed
    monkeypatch.setattr(preflight, "free_bytes", lambda device: needed.total * 2 // 3)
    with pytest.raises(ValueError, match=r"batch_size 128 needs about .* MB .*activations.*are free on cpu") as error:
        require()
    assert "precision: bf16" in str(error.value)
    assert "more processes" in str(error.value)
    fits = int(str(error.value).split("batch_size: ")[1].split()[0])
    smaller = preflight.estimate(spec_of(batch_size=fits), 1, 8, 10, images=0, precision="fp32", cuda=False)
    assert smaller.total <= needed.total * 2 // 3 < 1.1 * smaller.total


@pytest.mark.usefixtures("every_network")
def test_a_disk_without_room_for_the_checkpoints_is_named(spec_of, monkeypatch, tmp_path):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1000}))
    with pytest.raises(OSError, match=r"GB of disk space are needed") as error:
        preflight.require(spec_of(), IMAGES, 0, PLACE, tmp_path)
    assert str(tmp_path) in str(error.value)


def test_free_memory_of_this_machine_is_found():
    free = preflight.free_bytes(CPU)
    assert free is None or 1e8 < free < 1e14


@pytest.mark.parametrize(
    ("group", "files", "expected"),
    [
        ("0::/", {}, 8192),
        ("0::/", {"memory.max": "max", "memory.current": "10", "memory.stat": ""}, 8192),
        (
            "0::/a",
            {"a/memory.max": "5000", "a/memory.current": "4000", "a/memory.stat": "anon 1\ninactive_file 500"},
            1500,
        ),
        ("0::/a/b", {"a/memory.max": "5000", "a/memory.current": "4000", "a/memory.stat": "inactive_file 0"}, 1000),
        ("0::/of/the/host", {"memory.max": "5000", "memory.current": "4000", "memory.stat": ""}, 1000),
        (
            "4:memory:/a",
            {"memory/a/memory.limit_in_bytes": "5000", "memory/a/memory.usage_in_bytes": "4000"}
            | {"memory/a/memory.stat": "total_inactive_file 7"},
            1007,
        ),
        ("4:cpu:/a", {"memory/a/memory.limit_in_bytes": "1"}, 8192),
    ],
)
def test_free_memory_is_that_of_the_tightest_limit_without_what_files_keep(
    monkeypatch, tmp_path, group, files, expected
):
    for name, content in {"meminfo": "MemTotal: 9 kB\nMemAvailable: 8 kB\n", "cgroup": f"{group}\n"}.items():
        (tmp_path / name).write_text(content)
    for name, content in files.items():
        (tmp_path / "sys" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "sys" / name).write_text(content)
    monkeypatch.setattr(preflight, "MEMORY", tmp_path / "meminfo")
    monkeypatch.setattr(cores, "GROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(cores, "MOUNTED", tmp_path / "sys")
    assert preflight.free_bytes(CPU) == expected
    (tmp_path / "cgroup").unlink()
    assert preflight.free_bytes(CPU) == 8192, "a kernel without control groups"


def test_a_small_network_on_a_processor_is_not_estimated(spec_of, monkeypatch, tmp_path):
    monkeypatch.setattr(preflight, "estimate", lambda *arguments: pytest.fail("estimated"))
    assert preflight.require(spec_of(), IMAGES, 40, PLACE, tmp_path) is None
    with pytest.raises(pytest.fail.Exception, match="estimated"):
        preflight.require(spec_of(backbone={"name": "resnet18"}), IMAGES, 40, PLACE, tmp_path)


@pytest.mark.usefixtures("every_network")
def test_an_estimate_leaves_the_random_state_alone(spec_of, tmp_path):
    state = torch.get_rng_state()
    assert preflight.require(spec_of(), IMAGES, 40, PLACE, tmp_path).images == PIXELS.size
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.usefixtures("every_network")
def test_streamed_images_are_not_kept(spec_of, tmp_path):
    spec = spec_of()
    streamed = replace(spec, images="streamed", augment=replace(spec.augment, size=8))
    assert preflight.require(streamed, IMAGES, 40, PLACE, tmp_path).images == 0
