"""The plan's counts against what the steps do, and the memory estimate against what training allocates."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from dhel_kcl.data import prepared
from dhel_kcl.data.sources.digits import DESCRIPTION
from dhel_kcl.runtime import preflight as memory
from dhel_kcl.steps import plan
from dhel_kcl.study import job_counts
from dhel_kcl.study.config import suite_names
from dhel_kcl.study.suite import Suite
from dhel_kcl.training.networks import build_encoder, build_projector
from dhel_kcl.training.optimiser import MomentumSGD
from dhel_kcl.training.spec import PretrainSpec
from dhel_kcl.training.trainer import Model, build_objective
from tests.pipeline import ROOT

DIGITS = Suite.load(ROOT, "digits")
PIXELS = np.zeros((40, 1, 8, 8), np.uint8)
IMAGES = prepared.Prepared(
    PIXELS, np.zeros(40, np.int64), np.zeros(40, np.uint8), prepared.Manifest(DESCRIPTION, PIXELS.shape, 10, {})
)


@pytest.fixture
def done(tmp_path, monkeypatch):
    """Records of the first two trainings of the digits suite in the working folder, one of them evaluated."""
    monkeypatch.chdir(tmp_path)
    for number, run in enumerate(run for run in DIGITS.runs[:2]):
        folder = Path(run.folder)
        folder.mkdir(parents=True)
        (folder / "provenance.json").write_text(json.dumps({"training_seconds": 1800.0}))
        if number == 0:
            (folder / "probe.json").write_text("{}")


@pytest.mark.parametrize("name", suite_names(ROOT))
def test_every_job_of_a_suite_is_planned_once(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    suite = Suite.load(ROOT, name)
    rows = [*plan.training_rows(suite, "fp32"), *plan.evaluation_rows(suite)]
    trained = [run for run in suite.runs if run.method not in ("pixels", "random")]
    assert sum(row.jobs for row in rows if row.kind == "training") == len(trained)
    views = sum(job_counts.views(suite, run) for run in trained)
    assert sum(row.left for row in rows if row.kind == "training") == views
    evaluations = len([run for run in suite.runs if run.trained]) + sum(len(suite.transfers(run)) for run in suite.runs)
    assert sum(row.jobs for row in rows if row.kind == "plain") == evaluations


def test_what_is_done_is_taken_off(done):
    rows = [*plan.training_rows(DIGITS, "fp32"), *plan.evaluation_rows(DIGITS)]
    first = rows[0]
    assert (first.what, first.batch_size, first.jobs, first.done) == ("grid", 16, 15, 2)
    assert first.left == 13 * first.images
    assert first.spent == 3600
    evaluations = next(row for row in rows if row.what == "evaluations")
    assert (evaluations.jobs, evaluations.done) == (len([run for run in DIGITS.runs if run.trained]), 1)


def test_the_hours_are_the_images_over_the_measured_rate(done, monkeypatch):
    monkeypatch.setattr(plan, "measure", lambda cell, place: 1000.0)
    rows = plan.training_rows(DIGITS, "fp32")
    rates = plan.throughput([row.cell for row in rows], torch.device("cpu"))
    text = plan.report(DIGITS, rows, rates, "core-hours", threads=2)
    hours = sum(row.left for row in rows) / 1000 / 3600 * 2
    assert f"{hours:.2g}" == "4.6", "the views left at 1,000 a second, on two cores"
    total = next(line for line in text.splitlines() if line.startswith("all "))
    assert "4.6" in total.split()
    assert plan.THROUGHPUT.is_file()
    monkeypatch.setattr(plan, "measure", lambda cell, place: pytest.fail("measured again"))
    assert plan.throughput([row.cell for row in rows], torch.device("cpu")) == rates
    monkeypatch.setattr(plan.digest, "of_pretraining", lambda loss, backbone, dataset: "other code")
    with pytest.raises(pytest.fail.Exception, match="measured again"):
        plan.throughput([rows[0].cell], torch.device("cpu"))


@pytest.mark.parametrize("what", ["training", "evaluation"])
def test_a_rate_is_measured_with_the_packages_own_steps(what):
    run = DIGITS.runs[0]
    cell = (
        plan.training_cell(DIGITS, run, "fp32")
        if what == "training"
        else plan.evaluation_cell(DIGITS, *["digits"] * 2, "plain")
    )
    assert 100 < plan.measure(json.loads(cell), torch.device("cpu"), seconds=0.2) < 1e7


def test_a_rate_counts_instances_of_the_batches_that_fit_the_time(monkeypatch):
    clock, sizes = [0.0], []
    monkeypatch.setattr(plan.time, "perf_counter", lambda: clock[0])

    def step(batch):
        sizes.append(batch)
        clock[0] += batch / 1000 + (0.001 if len(sizes) == 1 else 0)

    assert plan.rate(step, 64, seconds=0.04) == pytest.approx(1000)
    assert sizes[:5] == [2, 2, 4, 8, 16]
    assert set(sizes[5:]) == {32} or not sizes[5:], "64 would take longer than 0.04 s"
    sizes.clear()
    assert plan.rate(step, 64, seconds=0.001) == pytest.approx(2 / 0.003)
    assert sizes == [2]


def spec_of(**changes):
    run = next(run for run in DIGITS.runs if run.method == changes.get("method", "simclr"))
    return PretrainSpec.of(
        DIGITS.pretrain_spec(run) | {key: value for key, value in changes.items() if key != "method"}
    )


def peak_of_a_step(spec, channels, side):
    """Most bytes allocated at a time during one training step, as torch's profiler counts them."""
    encoder = build_encoder(spec.backbone, channels)
    objective, _ = build_objective(spec, build_projector(encoder.features, spec.projector_dim), encoder.features, 10)
    model, labels = Model(encoder, objective), torch.zeros(spec.batch_size, dtype=torch.long)
    optimizer = MomentumSGD(model, 0.9, 1e-6)

    def step():
        with torch.autocast("cpu", torch.bfloat16, spec.precision == "bf16"):
            loss, _ = model(torch.rand(2 * spec.batch_size, channels, side, side), labels)
        loss.backward()
        optimizer.step(0.1)

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
def test_the_estimate_is_near_what_a_step_allocates(backbone, channels, side, batch, precision):
    spec = spec_of(backbone=backbone, batch_size=batch, precision=precision)
    needed = memory.estimate(spec, channels, side, 10, images=0, precision=precision, cuda=False)
    # Weights and momentum stay between the steps; views are made by other code, outside the step.
    counted = needed.gradients + needed.activations + needed.loss
    real = peak_of_a_step(spec, channels, side)
    assert 0.75 * real < counted < 1.25 * real


def test_the_estimate_follows_batch_size_processes_and_data():
    one = memory.estimate(spec_of(batch_size=64), 1, 8, 10, images=0, precision="fp32")
    two = memory.estimate(spec_of(batch_size=128), 1, 8, 10, images=0, precision="fp32")
    shared = memory.estimate(spec_of(batch_size=128, processes=2), 1, 8, 10, images=0, precision="fp32")
    assert two.activations == pytest.approx(2 * one.activations, rel=1e-3)
    assert shared.activations == one.activations
    assert shared.loss == two.loss, "every process computes the loss of the whole batch"
    assert memory.estimate(spec_of(), 1, 8, 10, images=1000, precision="fp32").images == 64_000
    assert one.total > one.overhead > memory.CUDA


def test_a_run_that_does_not_fit_is_refused_with_what_helps(monkeypatch, tmp_path):
    needed = memory.estimate(spec_of(batch_size=128), 1, 8, 10, images=0, precision="fp32", cuda=False)
    place = torch.device("cpu")

    def require():
        return memory.require(spec_of(batch_size=128), IMAGES, 0, place, "fp32", tmp_path)

    monkeypatch.setattr(memory, "free_bytes", lambda device: needed.total)
    assert require() == needed
    monkeypatch.setattr(memory, "free_bytes", lambda device: needed.total * 2 // 3)
    with pytest.raises(ValueError, match=r"batch_size 128 needs about .* MB .*activations.*are free on cpu") as error:
        require()
    assert "precision: bf16" in str(error.value)
    assert "more processes" in str(error.value)
    fits = int(str(error.value).split("batch_size: ")[1].split()[0])
    smaller = memory.estimate(spec_of(batch_size=fits), 1, 8, 10, images=0, precision="fp32", cuda=False)
    assert smaller.total <= needed.total * 2 // 3 < 1.1 * smaller.total


def test_a_disk_without_room_for_the_checkpoints_is_named(monkeypatch, tmp_path):
    import dhel_kcl.data.download

    monkeypatch.setattr(dhel_kcl.data.download.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1000}))
    with pytest.raises(OSError, match=r"GB of disk space are needed") as error:
        memory.require(spec_of(), IMAGES, 0, torch.device("cpu"), "fp32", tmp_path)
    assert str(tmp_path) in str(error.value)


def test_free_memory_of_this_machine_is_found():
    free = memory.free_bytes(torch.device("cpu"))
    assert free is None or 1e8 < free < 1e14
