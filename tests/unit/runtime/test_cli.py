import os
import runpy
import subprocess
import sys

import pytest

from dhel_kcl.evidence.figures import FIGURES
from dhel_kcl.theory import EXPERIMENTS

STEPS = [
    "fetch",
    "split",
    "pretrain",
    "probe",
    "select",
    "combine",
    "claims",
    "table",
    "stamp",
    "compare",
    "theory.tables",
]
STEPS += [f"figures.{name}" for name in FIGURES]
STEPS += [f"{package}.{name}" for name in EXPERIMENTS for package in ("theory", "figures.theory")]


@pytest.mark.filterwarnings("ignore:.*found in sys.modules after import of package")
@pytest.mark.parametrize("step", [*STEPS, "config"])
def test_help_says_what_the_step_does_and_shows_an_example(step, monkeypatch, capsys):
    # In this process: there are many steps, and a new one takes seconds to import torch.
    monkeypatch.setattr(sys, "argv", [step, "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(f"dhel_kcl.{step}", run_name="__main__", alter_sys=True)
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert f"python -m dhel_kcl.{step} " in text
    assert "Example:" in text


def test_an_unknown_key_in_a_spec_is_one_line():
    command = [sys.executable, "-m", "dhel_kcl", "pretrain", "--spec", '{"lr": 1}', "--data", "x", "--split", "x"]
    result = subprocess.run([*command, "--out", "x", "--scratch", "x"], capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr.startswith("error: PretrainSpec: unknown key 'lr'; allowed: augment, backbone")
    assert len(result.stderr.splitlines()) == 1


def test_a_step_ends_after_its_exit_handlers_and_its_last_words():
    code = """
import atexit
from dhel_kcl.runtime import cli
atexit.register(print, "handler")
cli.run(lambda: print("done"))
print("never")
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (result.returncode, result.stdout, result.stderr) == (0, "done\nhandler\n", "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device without space")
def test_words_that_cannot_be_written_are_an_error():
    code = "from dhel_kcl import cli; cli.run(lambda: print('done'))"
    with open("/dev/full", "w") as full:
        result = subprocess.run([sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True)
    assert result.returncode == 1
    assert "error: [Errno 28]" in result.stderr
