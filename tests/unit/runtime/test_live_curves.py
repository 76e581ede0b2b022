import errno
import re
import subprocess
import sys
import time
from contextlib import closing

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import SummaryWriter

from dhel_kcl.runtime.live_curves import EVERY, LiveCurves
from dhel_kcl.training.checkpoint import Store
from dhel_kcl.training.progress import Progress
from dhel_kcl.training.schedule import Schedule
from tests.pretraining import STEP, WRITTEN, options, results, start

SCHEDULE = Schedule(images=180, batch_size=2, steps=2 * EVERY + 50, peak=1.0, warmup=0.0, seed=0)
"""Ninety steps an epoch, in the second of which the run ends."""


def curves(folder):
    """{name: [(step, value), ...]} of what TensorBoard shows of a folder."""
    shown = EventAccumulator(str(folder))
    shown.Reload()
    return {name: [(point.step, point.value) for point in shown.Scalars(name)] for name in shown.Tags()["scalars"]}


def take(progress, folder, steps, loss=0.0):
    """That many steps, each with a loss greater by one than that of the step before."""
    with closing(LiveCurves(progress, folder)) as watcher:
        for _ in range(steps):
            progress.record({"loss": loss + progress.done + 1, "alignment": -1.0}, rate=0.5)
            watcher(progress)


def test_the_curves_are_the_columns_of_the_log_and_the_loss_between(tmp_path):
    progress = Progress(SCHEDULE, minimum=0.5)
    take(progress, tmp_path, progress.steps)
    found = curves(tmp_path)
    columns = progress.rows[0].keys() - {"epoch", "step"}
    assert columns == {"loss", "alignment", "gap", "learning_rate", "views_per_second"}
    assert found.keys() == {f"epoch/{name}" for name in columns} | {"step/loss", "step/alignment"}
    for name in columns:
        assert found[f"epoch/{name}"] == [(row["step"], pytest.approx(row[name])) for row in progress.rows]
    assert found["step/loss"] == [(50, 50.0), (100, 100.0), (150, 150.0)]
    assert [step for step, _ in found["epoch/loss"]] == [90, 150]


def test_a_loss_without_a_least_value_has_no_gap(tmp_path):
    progress = Progress(SCHEDULE, minimum=None)
    take(progress, tmp_path, 90)
    assert progress.rows[0]["gap"] is None
    assert "epoch/gap" not in curves(tmp_path)
    assert "epoch/loss" in curves(tmp_path)


@pytest.mark.parametrize("kept", [0, 60, 120], ids=["none", "of the first epoch", "of the second"])
def test_a_run_that_goes_on_from_its_checkpoint_has_each_point_once(tmp_path, kept):
    """Killed thirty steps after it, whose points go; those of before stay."""
    killed, resumed = Progress(SCHEDULE, None), Progress(SCHEDULE, None)
    take(killed, tmp_path, kept)
    resumed.load_state_dict(killed.state_dict() | {"rows": list(killed.rows)})
    time.sleep(1.1)  # files of one second are told apart by process and number, and no process begins twice in one
    take(killed, tmp_path, 30, loss=1000.0)
    time.sleep(1.1)
    take(resumed, tmp_path, SCHEDULE.steps - kept)
    found = curves(tmp_path)
    assert found["step/loss"] == [(50, 50.0), (100, 100.0), (150, 150.0)]
    assert found["epoch/loss"] == [(90, 45.5), (150, 120.5)]


def test_a_run_with_curves_is_the_run_without(pretrain_spec, train, tmp_path):
    """Its curves have what its log has."""
    longer = pretrain_spec | {"training": pretrain_spec["training"] | {"epochs": 9}}
    assert train(tmp_path / "off", content=longer)[0] == 0
    status, said = train(tmp_path / "on", "--live", "tensorboard", content=longer)
    assert status == 0, said
    assert sorted(path.name for path in (tmp_path / "on/out").iterdir()) == WRITTEN
    assert results(tmp_path / "on/out") == results(tmp_path / "off/out")
    assert not list((tmp_path / "off").rglob("*tfevents*"))
    found = curves(tmp_path / "on/scratch")
    for row in results(tmp_path / "on/out")["log"]:
        step = int(row["step"])
        for name in row.keys() - {"epoch", "step"}:
            assert dict(found[f"epoch/{name}"])[step] == pytest.approx(float(row[name]))
    assert [step for step, _ in found["step/loss"]] == [50]


def test_a_stopped_run_goes_on_in_its_curves(pretrain_spec, train, tmp_path, monkeypatch):
    """From a checkpoint of some steps ago, as after a kill."""
    called = LiveCurves.__call__

    def killed(watcher, progress):
        called(watcher, progress)
        if progress.done == 13:  # behind the checkpoint of the first step, and two epochs of six
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(LiveCurves, "__call__", killed)
        patch.setattr(Store, "is_due", property(lambda store: not store.path.is_file()))
        assert train(tmp_path, "--live", "tensorboard")[0] == 130
    assert [step for step, _ in curves(tmp_path / "scratch")["epoch/loss"]] == [6, 12]
    time.sleep(1.1)
    status, said = train(tmp_path, "--live", "tensorboard")
    assert status == 0
    assert "resuming after step 1 of 18" in said
    assert [step for step, _ in curves(tmp_path / "scratch")["epoch/loss"]] == [6, 12, 18]


@pytest.mark.slow
def test_the_first_of_several_processes_writes_the_curves(pretrain_spec, digits_folder, split_file, tmp_path):
    arguments = options(pretrain_spec | {"processes": 2}, digits_folder, split_file, tmp_path, "--live", "tensorboard")
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *STEP)
    process = start(launcher, arguments)
    said = process.communicate()[1]
    assert process.returncode == 0, said
    assert len(list((tmp_path / "scratch").glob("*tfevents*"))) == 1
    assert [step for step, _ in curves(tmp_path / "scratch")["epoch/loss"]] == [6, 12, 18]


def test_without_curves_their_package_is_not_needed(train, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)  # as if it were not there
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    status, said = train(tmp_path / "on", "--live", "tensorboard")
    assert status == 1
    assert said == "error: the package tensorboard is not installed; pip install 'dhel-kcl[live]' brings it\n"
    assert not (tmp_path / "on").exists(), "before anything is done"
    assert train(tmp_path / "off")[0] == 0


def test_who_asks_for_curves_imports_nothing_for_it():
    """Snakemake's workflow does, each time that it is called."""
    code = "import sys, dhel_kcl.runtime.live_curves; print({'torch', 'tensorboard'} & sys.modules.keys())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


def test_another_program_is_refused_with_those_that_there_are(train, tmp_path):
    status, said = train(tmp_path, "--live", "wandb")
    assert status == 2
    assert re.search(r"argument --live: invalid choice: 'wandb' \(choose from '?tensorboard'?\)", said)


def test_a_full_disk_is_named(tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(SummaryWriter, "add_scalar", full)
    message = rf"no curves can be written \(No space left on device\); mend that, or leave out --live, .*: '{tmp_path}'"
    with pytest.raises(OSError, match=message):
        take(Progress(SCHEDULE, None), tmp_path, EVERY)
