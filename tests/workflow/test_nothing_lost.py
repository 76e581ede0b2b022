"""Kills, full disks and second processes: what was computed stays, and the same command goes on to the same bits."""

import contextlib
import ctypes
import errno
import io
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dhel_kcl import files
from dhel_kcl.files import read_json
from dhel_kcl.steps import pretrain
from dhel_kcl.training.optimiser import MomentumSGD
from tests.pipeline import dvc, edit, environment, snakemake
from tests.pretraining import STEP, WRITTEN, options, results, start, wait_for_training

DIE_IN_WRITE = """
import os, signal, sys
from pathlib import Path
from dhel_kcl.steps import pretrain

point, count = sys.argv.pop(1), int(sys.argv.pop(1))

def die():
    os.kill(os.getpid(), signal.SIGKILL)

class Half:
    def __init__(self, file):
        self.file = file
    def __getattr__(self, name):
        return getattr(self.file, name)
    def __enter__(self):
        return self
    def __exit__(self, *error):
        self.file.close()
    def write(self, content):
        if len(content) > 1000 and not countdown():
            self.file.write(content[: len(content) // 2])
            self.file.flush()
            die()
        return self.file.write(content)

def countdown():
    global count
    count -= 1
    return max(count, 0)

real_open, real_sync, real_replace = Path.open, os.fsync, os.replace

def sync(number):
    real_sync(number)
    if point == "written" and not countdown():
        die()

def replace(*paths):
    real_replace(*paths)
    if point == "renamed" and not countdown():
        die()

os.fsync, os.replace = sync, replace
if point == "half":
    def half(path, mode="r", **options):
        file = real_open(path, mode, **options)
        return Half(file) if mode == "xb" else file
    Path.open = half
pretrain.cli.run(pretrain.main)
"""
"""Runs the step and kills it inside the writing of its count-th checkpoint."""


def long_run(content, seed):
    return content | {"training": content["training"] | {"epochs": 250}, "seed": seed}


def torment(content, digits_folder, split_file, folder, kills, choose):
    """Kill one run `kills` times, go on each time, and compare its end with that of a run left in peace."""
    arguments = options(content, digits_folder, split_file, folder / "killed", "--checkpoint-seconds", "0.02")
    resumed = []
    for kill in range(kills):
        moment = ["half", "written", "renamed"][kill] if kill < 3 else "any"
        if moment == "any":
            process = start(STEP, arguments)
            said = wait_for_training(process)
            time.sleep(choose.uniform(0, 0.2))
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process = start(["-c", DIE_IN_WRITE, moment, str(choose.randint(1, 5))], arguments)
            said = wait_for_training(process)
        process.communicate()
        assert process.returncode == -signal.SIGKILL, said
        resumed.append(int(said.split("after step ")[1].split()[0]) if "resuming" in said else 0)
        assert not list((folder / "killed/out").glob("*.*"))
    assert resumed == sorted(resumed)
    assert resumed[-1] > 0
    last = start(STEP, arguments)
    said = last.communicate()[1]
    assert last.returncode == 0, said
    assert "resuming after step" in said
    peace = start(STEP, options(content, digits_folder, split_file, folder / "peace"))
    assert peace.wait() == 0, peace.stderr.read()
    assert results(folder / "killed/out") == results(folder / "peace/out")
    assert sorted(path.name for path in (folder / "killed/out").iterdir()) == WRITTEN
    assert sorted(path.name for path in (folder / "killed/scratch").iterdir()) == ["last.pt", "lock", "origin.json"]


def test_a_run_killed_at_ten_points_ends_as_if_left_in_peace(pretrain_spec, digits_folder, split_file, tmp_path):
    torment(long_run(pretrain_spec, 0), digits_folder, split_file, tmp_path, 10, random.Random(0))


LOSSES = [
    {"name": "simclr", "temperature": 0.3},
    {"name": "dhel", "form": "sum", "temperature": 0.3},
    {"name": "kcl", "kernel": "log", "t": 2.0, "gamma": 16.0},
    {"name": "supervised"},
]


@pytest.mark.torture
@pytest.mark.parametrize("round_", range(int(os.environ.get("TORTURE_ROUNDS", "10"))))
def test_runs_of_every_kind_killed_ten_times_each(pretrain_spec, digits_folder, split_file, tmp_path, round_):
    content = long_run(pretrain_spec, round_) | {"loss": LOSSES[round_ % len(LOSSES)]}
    seed = time.time_ns()
    print(f"kills drawn by the seed {seed}")
    torment(content, digits_folder, split_file, tmp_path, 10, random.Random(seed))


@pytest.fixture
def peace(train, tmp_path):
    assert train(tmp_path / "peace")[0] == 0
    return results(tmp_path / "peace/out")


def test_a_stop_after_any_step_is_resumed_to_the_same_bits(train, peace, tmp_path, monkeypatch):
    steps = 3 * (100 // 16)

    class Stop(pretrain.StopRequest):
        calls = 0

        def __call__(self):
            self.calls += 1
            if self.calls == after:
                os.kill(os.getpid(), signal.SIGTERM)
            return super().__call__()

    for after in range(1, steps):
        with monkeypatch.context() as patch:
            patch.setattr(pretrain, "StopRequest", Stop)
            code, said = train(tmp_path / str(after))
        assert code == pretrain.INTERRUPTED
        assert "SIGTERM: checkpoint" in said
        code, said = train(tmp_path / str(after))
        assert code == 0
        assert f"resuming after step {after} of {steps}" in said
        assert results(tmp_path / str(after) / "out") == peace


class FullDisk(io.BytesIO):
    """Stands for a file on a disk with `room` bytes left."""

    def __init__(self, file, room):
        super().__init__()
        self.file, self.room = file, room

    def fileno(self):
        return self.file.fileno()

    def write(self, content):
        self.file.write(bytes(content)[: self.room])
        if len(content) > self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.room -= len(content)
        return len(content)


@pytest.mark.parametrize("name", ["last.pt", "spec.json", "log.csv", "encoder.safetensors", "projector.safetensors"])
@pytest.mark.parametrize("room", [0, 100])
def test_a_full_disk_costs_nothing(train, peace, tmp_path, monkeypatch, name, room):
    """Injected at the write call of each file; for the checkpoint, of the third one."""
    real_open, opened, kept = Path.open, [], []

    def full(path, mode="r", **options):
        file = real_open(path, mode, **options)
        if mode != "xb":
            return file
        if not path.name.startswith(f".{name}."):
            return file
        opened.append(path.name)
        if name == "last.pt" and len(opened) < 3:
            return file
        kept.append((tmp_path / "run/scratch/last.pt").read_bytes())
        return FullDisk(file, room)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        code, said = train(tmp_path / "run", "--checkpoint-seconds", "0")
    assert code == 1
    folder = "scratch" if name == "last.pt" else "out"
    assert said.splitlines()[-1] == (
        "error: [Errno 28] No space left on device; free some space and run the same command again: "
        f"'{tmp_path / 'run' / folder / name}'"
    )
    assert (tmp_path / "run/scratch/last.pt").read_bytes() == kept[0]
    assert not [path for path in (tmp_path / "run").rglob("*") if path.name in (f".{name}", name) and name != "last.pt"]
    assert not list((tmp_path / "run").rglob("*.partial"))
    code, said = train(tmp_path / "run")
    assert code == 0
    assert "resuming after step " + ("2 " if name == "last.pt" else "18 ") in said
    assert results(tmp_path / "run/out") == peace


def mounted(folder, size):
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    with contextlib.suppress(FileNotFoundError):
        return subprocess.run(command, capture_output=True).returncode == 0
    return False


def test_a_real_full_disk_costs_nothing(train, peace, tmp_path):
    checkpoint = (tmp_path / "peace/scratch/last.pt").stat().st_size
    if not mounted(tmp_path / "run", 4096 * (3 * checkpoint // 2 // 4096)):
        pytest.skip("mounting a tmpfs needs root")
    try:
        code, said = train(tmp_path / "run", "--checkpoint-seconds", "0")
        assert code == 1
        assert "No space left on device; free some space and run the same command again" in said
        assert not list((tmp_path / "run").rglob("*.partial"))
        remount = ["mount", "-o", "remount,size=100m", str(tmp_path / "run")]
        subprocess.run(remount, check=True, capture_output=True)
        code, said = train(tmp_path / "run")
        assert code == 0
        assert "resuming after step 1 of 18" in said
        assert results(tmp_path / "run/out") == peace
    finally:
        subprocess.run(["umount", str(tmp_path / "run")], check=True)


def test_a_second_process_on_the_same_run_is_turned_away(train, tmp_path):
    (tmp_path / "scratch").mkdir()
    with files.exclusive(tmp_path / "scratch"):
        code, said = train(tmp_path)
    assert code == 1
    assert "another process is at work on this run; wait until it ends, or end it" in said
    assert train(tmp_path)[0] == 0


def test_a_finished_run_is_taken_over_unless_asked_to_start_again(train, peace, tmp_path):
    said = train(tmp_path / "peace")[1]
    assert "resuming after step 18 of 18" in said
    assert results(tmp_path / "peace/out") == peace
    said = train(tmp_path / "peace", "--again")[1]
    assert "resuming" not in said
    assert results(tmp_path / "peace/out") == peace


def test_source_edited_after_planning_is_refused(train, tmp_path):
    code, said = train(tmp_path, "--code", "0123")
    assert code == 1
    assert "the source changed after this job was planned; run the same command again" in said


def test_weights_that_are_not_finite_reach_neither_checkpoint_nor_results(train, tmp_path, monkeypatch):
    """The loss is still finite in the step that spoils the weights."""
    step = MomentumSGD.step
    calls = []

    def spoil(self, rate):
        step(self, rate)
        calls.append(rate)
        if len(calls) == 5:
            self.groups[0][0][0].data.fill_(float("nan"))

    monkeypatch.setattr(MomentumSGD, "step", spoil)
    code, said = train(tmp_path, "--checkpoint-seconds", "0")
    assert code == 1
    assert "the weights became NaN or infinite in epoch 1, step 5, learning rate " in said
    assert "the last finite values were loss " in said
    assert "last.pt is untouched. Lower training.learning_rate" in said
    monkeypatch.undo()


RUN = "smoke/digits/simclr_m16_temperature-0.3/seed0"


def begin(folder, *arguments_):
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *arguments_]
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, cwd=folder, env=environment(folder), start_new_session=True, **output)


def until_trained_further(folder, process):
    """Wait for a checkpoint of this process."""
    checkpoint, deadline = folder / f"scratch/{RUN}/last.pt", time.time() + 120
    began = time.time()
    while not (checkpoint.is_file() and checkpoint.stat().st_mtime > began):
        assert process.poll() is None, process.communicate()[0]
        assert time.time() < deadline
        time.sleep(0.02)


def test_the_workflow_is_killed_interrupted_and_met_by_others_and_ends_as_if_left_in_peace(clone, tmp_path):
    edit(clone, "config/suites/smoke.yaml", "epochs: 1,", "epochs: 500,")
    edit(clone, "workflow/rules/train.smk", "pretrain --spec", "pretrain --checkpoint-seconds 0.1 --spec")
    target = f"results/runs/{RUN}/spec.json"
    log = clone / f"logs/{RUN}/pretrain.log"

    for kill in range(2):
        process = begin(clone, target)
        until_trained_further(clone, process)
        if kill == 0:
            os.killpg(process.pid, signal.SIGSTOP)  # or it might come to its end before the others have looked
            for code, output in (snakemake(clone, target), dvc(clone, "repro")):
                assert code != 0
                assert "make sure that no other Snakemake process is trying to create the same files" in output
            assert process.poll() is None
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert not (clone / target).exists()
        code, output = snakemake(clone, target)
        assert code != 0
        assert "It can be removed with the --unlock argument" in output
        assert snakemake(clone, "--unlock")[0] == 0
    for number, whom in ((signal.SIGINT, os.killpg), (signal.SIGTERM, os.killpg)):
        process = begin(clone, target)
        until_trained_further(clone, process)
        whom(process.pid, number)
        output = process.communicate()[0]
        assert process.returncode != 0
        assert f"{number.name}: checkpoint scratch/{RUN}/last.pt written; run the same command to go on" in output
        assert "resuming after step" in log.read_text()
    code, output = snakemake(clone, target)
    assert code == 0, output
    assert "resuming after step" in log.read_text()

    arguments = ["--data", clone / "data/digits", "--split", clone / "data/splits/smoke/digits.npz"]
    arguments += ["--spec", clone / target, "--out", tmp_path / "peace", "--scratch", tmp_path / "scratch"]
    peace = start(STEP, arguments)
    said = peace.communicate()[1]
    assert peace.returncode == 0, said
    for path in (clone / f"results/runs/{RUN}").iterdir():
        if path.name not in WRITTEN:  # the evaluation of the run before the edit
            path.unlink()
    assert results(clone / f"results/runs/{RUN}") == results(tmp_path / "peace")


def test_a_run_that_diverges_stops_alone(clone, tmp_path):
    """From nothing, and in another working directory than the workflow's."""
    edit(clone, "config/suites/smoke.yaml", "form: sum, temperature: 0.3", "form: sum, temperature: 1.0e-40")
    folder, elsewhere = "results/runs/smoke/digits", tmp_path / "elsewhere härë"
    names = ("dhel_m16_form-sum_temperature-1e-40_learning_rate-1.0", "simclr_m16_temperature-0.3")
    targets = [f"{folder}/{name}/seed0/spec.json" for name in names]
    code, output = snakemake(elsewhere, *targets, root=clone)
    assert code != 0
    assert "error: the loss became nan in epoch 1, step 1, learning rate " in output
    assert "Lower training.learning_rate or raise the temperature in the suite's config" in output
    assert not (elsewhere / targets[0]).exists()
    assert read_json(elsewhere / targets[1])["loss"]["temperature"] == 0.3
    assert not (clone / targets[0]).exists()


def without_privileges():
    """Take from root, for what it executes next, the right to write and read where permissions forbid it."""
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


def test_a_results_folder_that_cannot_be_written_to_is_named(clone):
    """As an unprivileged user."""
    edit(clone, "config/suites/smoke.yaml", "temperature: [0.3, 1.0]", "temperature: [0.3, 0.9]")
    before = {path: path.read_bytes() for path in (clone / "results").rglob("*") if path.is_file()}
    folder = clone / "results/runs/smoke/digits"
    folder.chmod(0o555)
    command = [sys.executable, "-m", "snakemake", "--cores", "1"]
    drop = without_privileges if os.geteuid() == 0 else None
    result = subprocess.run(command, cwd=clone, env=environment(clone), capture_output=True, text=True, preexec_fn=drop)
    folder.chmod(0o755)
    output = result.stdout + result.stderr
    assert result.returncode != 0
    assert "Permission denied: " in output
    assert "results/runs/smoke/digits/simclr_m16_temperature-0.9" in output
    assert {path for path in before if not path.is_file() or path.read_bytes() != before[path]} == set()


def test_dvc_does_not_replace_results_that_it_has_not_seen(clone):
    log = clone / f"results/runs/{RUN}/log.csv"
    log.write_text("hours of work")
    for command in ("checkout", "pull"):
        code, output = dvc(clone, command)
        assert code != 0
        assert "Use `--force` to force" in output
        assert log.read_text() == "hours of work"
