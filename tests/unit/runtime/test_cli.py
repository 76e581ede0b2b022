"""The command line that all steps share."""

import os
import subprocess
import sys

import pytest

from dhel_kcl import __main__ as command
from dhel_kcl.runtime import cli

STEPS = [name for names in command.STEPS.values() for name in names]


def run(arguments, monkeypatch, capsys):
    """Exit status and output of the command in this process: a new one takes seconds to import torch."""
    monkeypatch.setattr(sys, "argv", ["dhel-kcl", *arguments])
    monkeypatch.setattr("dhel_kcl.runtime.cli.leave", lambda: None)
    code = 0
    try:
        command.main()
    except SystemExit as ended:
        code = ended.code
    return code, capsys.readouterr()


def test_help_lists_every_step_in_the_order_of_the_data_with_a_line_each(monkeypatch, capsys):
    code, said = run(["--help"], monkeypatch, capsys)
    assert code == 0
    listed = [line.split(maxsplit=1) for line in said.out.splitlines() if line.startswith("  ")]
    assert [name for name, _ in listed] == STEPS
    assert all(text[0].isupper() and text.endswith(".") and len(text) < 120 for _, text in listed), listed
    modules = {path.stem for path in command.Path(command.__file__).with_name("steps").glob("[a-z]*.py")}
    assert modules == set(map(command.module, STEPS))


@pytest.mark.parametrize("step", STEPS)
def test_help_says_what_the_step_does_and_shows_an_example(step, monkeypatch, capsys):
    code, said = run([step, "--help"], monkeypatch, capsys)
    assert code == 0
    assert said.out.startswith(f"usage: dhel-kcl {step} ")
    assert f"    dhel-kcl {step}" in said.out
    assert "Example:" in said.out


def test_an_unknown_step_is_named_with_the_one_that_was_meant(monkeypatch, capsys):
    code, _ = run(["pretrian"], monkeypatch, capsys)
    assert "unknown step 'pretrian' (did you mean 'pretrain'?); allowed: fetch, split, pretrain" in code


def test_the_console_script_and_the_module_are_one_command():
    for start in ([sys.executable, "-m", "dhel_kcl"], ["dhel-kcl"]):
        path = f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}"
        result = subprocess.run(start, capture_output=True, text=True, env=os.environ | {"PATH": path})
        assert (result.returncode, result.stdout) == (0, command.usage())


def test_an_unknown_key_in_a_spec_is_one_line(monkeypatch, capsys):
    options = ["--spec", '{"lr": 1}', "--data", "x", "--split", "x", "--out", "x", "--scratch", "x"]
    code, said = run(["pretrain", *options], monkeypatch, capsys)
    assert code == 1
    assert said.err.startswith("error: PretrainSpec: unknown key 'lr'; allowed: augment, backbone")
    assert len(said.err.splitlines()) == 1


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
    code = "from dhel_kcl.runtime import cli; cli.run(lambda: print('done'))"
    with open("/dev/full", "w") as full:
        result = subprocess.run([sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True)
    assert result.returncode == 1
    assert "error: [Errno 28]" in result.stderr


def test_ctrl_c_ends_a_step_without_a_traceback(capsys):
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as ended:
        cli.run(interrupted)
    assert ended.value.code == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_help_shows_defaults_that_there_are(capsys):
    parser = cli.parser("what it does")
    parser.add_argument("--one", default=1, help="a number")
    parser.add_argument("--name", required=True, help="a name")
    with pytest.raises(SystemExit):
        parser.parse_args(["--help"])
    said = capsys.readouterr().out
    assert "a number (default: 1)" in said
    assert "None" not in said
