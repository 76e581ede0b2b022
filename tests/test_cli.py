import subprocess
import sys

import pytest

STEPS = ["fetch", "split", "pretrain", "probe", "select", "combine", "table", "figures.accuracy", "stamp", "compare"]


@pytest.mark.parametrize("step", [*STEPS, "config"])
def test_help_says_what_the_step_does_and_shows_an_example(step):
    command = [sys.executable, "-m", f"dhel_kcl.{step}", "--help"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert f"python -m dhel_kcl.{step} " in text
    assert "Example:" in text


def test_an_unknown_key_in_a_spec_is_one_line():
    command = [sys.executable, "-m", "dhel_kcl.pretrain", "--spec", '{"lr": 1}', "--data", "x", "--split", "x"]
    result = subprocess.run([*command, "--out", "x", "--scratch", "x"], capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr.startswith("error: PretrainSpec: unknown key 'lr'; allowed: augment, backbone")
    assert len(result.stderr.splitlines()) == 1
