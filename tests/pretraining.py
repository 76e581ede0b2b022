"""Runs the step `pretrain`, in this process or as a program, and reads what it wrote."""

import contextlib
import csv
import io
import json
import signal
import subprocess
import sys

from dhel_kcl.runtime.signals import REQUESTS
from dhel_kcl.steps import pretrain

STEP = ["-m", "dhel_kcl", "pretrain"]
WRITTEN = ["encoder.safetensors", "log.csv", "projector.safetensors", "provenance.json", "spec.json"]


def options(content, digits_folder, split_file, folder, *more):
    """Arguments of the step with a spec of this content, which writes into `folder`/out and `folder`/scratch."""
    found = ["--spec", json.dumps(content), "--data", digits_folder, "--split", split_file]
    found += ["--out", folder / "out", "--scratch", folder / "scratch", *more]
    return [str(option) for option in found]


def start(step, arguments):
    """A Python program in a process group of its own; the end of a terminal ends it, under `nohup make test` too."""
    command = [sys.executable, *step, *map(str, arguments)]
    return subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    )


def wait_for_training(process):
    """What the step said before its progress bar, which starts with the training."""
    said = ""
    while not said.endswith("|") and (character := process.stderr.read(1)):
        said += character
    return said


def here(monkeypatch, arguments):
    """Run the step in this process; its exit status and what it said."""
    monkeypatch.setattr(pretrain.cli, "leave", lambda: None)
    monkeypatch.setattr(sys, "argv", ["pretrain", *arguments])
    said, handlers = io.StringIO(), {number: signal.getsignal(number) for number in REQUESTS}
    with contextlib.redirect_stderr(said):
        try:
            pretrain.cli.run(pretrain.main)
        except SystemExit as end:
            return end.code, said.getvalue()
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
    return 0, said.getvalue()


def results(folder):
    """Everything in a run folder but speed and provenance."""
    found = {path.name: path.read_bytes() for path in folder.iterdir()}
    del found["provenance.json"]
    rows = csv.DictReader(io.StringIO(found.pop("log.csv").decode()))
    return found | {"log": [{key: row[key] for key in row if key != "views_per_second"} for row in rows]}
