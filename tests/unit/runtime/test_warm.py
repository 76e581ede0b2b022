import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from dhel_kcl.runtime import warm

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="the system has no process descriptors")
SERVER = """
import socket, sys
from dhel_kcl.runtime import warm
def run(arguments):
    exec(arguments[0], {"__name__": "step"})
warm.serve(socket.socket(fileno=int(sys.argv[1])), run)
"""
"""The warm process with steps that are texts of Python, and nothing to import."""
CLIENT = """
import sys
from dhel_kcl.runtime import warm
status = warm.hand_over(sys.argv[1:])
if status is None:
    sys.exit("not taken")
warm.end_as(status)
"""


@pytest.fixture
def server(monkeypatch):
    """As `start` starts it, but for the program."""
    popen = subprocess.Popen

    def start_server(command, **options):
        return popen([sys.executable, "-c", SERVER, command[-1]], **options)

    monkeypatch.setenv(warm.ADDRESS, "")
    for name in warm.THREADS:
        monkeypatch.setenv(name, "1")
    monkeypatch.setattr(subprocess, "Popen", start_server)
    process = warm.start()
    monkeypatch.setattr(subprocess, "Popen", popen)
    yield process
    process.stdin.close()
    assert process.wait(timeout=10) == 0
    assert not Path(os.environ[warm.ADDRESS]).parent.exists()


def client(step, **options):
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", CLIENT, step], **streams, **options)


def ended(step, **options):
    process = client(step, **options)
    out, err = process.communicate("typed in", timeout=20)
    return process.returncode, out, err


def waited_for(condition):
    for _ in range(500):
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_a_step_runs_in_a_child_with_all_that_the_job_has(server, tmp_path):
    step = "import os, sys; print(os.getppid(), os.getcwd(), os.environ['OWN'], oct(os.umask(0)), sys.stdin.read())"
    code, out, err = ended(step, cwd=tmp_path, env=os.environ | {"OWN": "ünï"}, umask=0o027)
    assert (code, err) == (0, "")
    parent, *rest = out.split(maxsplit=4)
    assert rest == [str(tmp_path), "ünï", "0o27", "typed in\n"]
    assert int(parent) not in (os.getpid(), server.pid), "a keeper of its own stands between"


@pytest.mark.parametrize(
    ("step", "code", "message"),
    [
        ("raise SystemExit(75)", 75, ""),
        ("raise SystemExit('no such file')", 1, "no such file\n"),
        ("raise SystemExit", 0, ""),
        ("1 / 0", 1, "ZeroDivisionError: division by zero\n"),
        ("import os; os._exit(3)", 3, ""),
        ("import os; os.kill(os.getpid(), 9)", -9, ""),
        ("import os; os.kill(os.getpid(), 15)", -15, ""),
    ],
)
def test_the_end_of_a_step_is_the_end_of_its_job(server, step, code, message):
    ended_with, out, err = ended(step)
    assert (ended_with, out) == (code, "")
    assert err.endswith(message)


def test_jobs_run_side_by_side(server, tmp_path):
    meet = "import pathlib, time\npathlib.Path('{}').touch()\nwhile not pathlib.Path('{}').exists(): time.sleep(.01)"
    both = [client(meet.format(*names), cwd=tmp_path) for names in ("ab", "ba")]
    assert [process.wait(timeout=20) for process in both] == [0, 0]


WAITING = """
import os, pathlib, signal, sys, time
def stop(number, frame):
    sys.exit(75)
signal.signal(signal.SIGTERM, stop)
pathlib.Path("pid").write_text(str(os.getpid()))
time.sleep(60)
"""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 75), (signal.SIGUSR1, -signal.SIGUSR1), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_a_signal_to_a_job_reaches_its_step(server, tmp_path, number, code):
    process, pid = client(WAITING, cwd=tmp_path), tmp_path / "pid"
    assert waited_for(lambda: pid.is_file() and pid.read_text())
    process.send_signal(number)
    assert process.wait(timeout=20) == code
    assert waited_for(lambda: not Path("/proc", pid.read_text()).exists()), "the step outlives its job"


def test_a_job_that_nothing_takes_is_left_to_the_caller(server, monkeypatch):
    assert ended("pass")[0] == 0
    for name in warm.THREADS:  # a job with two threads
        assert ended("pass", env=os.environ | {name: "2"})[2] == "not taken\n"
    assert ended("pass", env=os.environ | {warm.ADDRESS: "/nowhere/socket"})[2] == "not taken\n"
    without = {name: value for name, value in os.environ.items() if name != warm.ADDRESS}
    assert ended("pass", env=without)[2] == "not taken\n"


def test_a_job_is_left_to_the_caller_if_the_process_dies_before_it_is_taken(monkeypatch):
    """While it imports, say."""
    popen = subprocess.Popen
    monkeypatch.setenv(warm.ADDRESS, "")
    for name in warm.THREADS:
        monkeypatch.setenv(name, "1")
    dying = [sys.executable, "-c", "import time; time.sleep(1)"]
    monkeypatch.setattr(subprocess, "Popen", lambda command, **options: popen(dying, **options))
    process = warm.start()
    monkeypatch.setattr(subprocess, "Popen", popen)
    assert ended("pass")[2] == "not taken\n"
    process.wait()


def test_without_a_place_for_a_socket_there_is_no_process(tmp_path, monkeypatch):
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.delenv(warm.ADDRESS, raising=False)
    assert warm.start() is None
    assert warm.ADDRESS not in os.environ
    assert list(folder.iterdir()) == []


def test_where_the_kernel_has_no_process_descriptors_steps_run_where_they_are_started(monkeypatch):
    """Python's build may have them all the same."""

    def refused(pid):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(os, "pidfd_open", refused)
    monkeypatch.delenv(warm.ADDRESS, raising=False)
    assert warm.start() is None
    assert warm.ADDRESS not in os.environ


def test_the_command_line_runs_there_as_it_does_here(tmp_path, monkeypatch):
    """By the real process, which imports every step."""
    monkeypatch.setenv(warm.ADDRESS, "")
    for name in warm.THREADS:
        monkeypatch.setenv(name, "1")
    commands = [["document"], ["evaluate"], ["no-such-step"], ["--help"]]

    def outcomes(environ):
        calls = [[sys.executable, "-m", "dhel_kcl", *command] for command in commands]
        results = [subprocess.run(call, env=environ, capture_output=True, text=True) for call in calls]
        return [(result.returncode, result.stdout, result.stderr) for result in results]

    with warm.start() as process:
        there = outcomes(os.environ)
        maps = Path("/proc", str(process.pid), "maps").read_text()
    here = outcomes(os.environ | {warm.ADDRESS: ""})
    assert there == here
    assert [code for code, *_ in here] == [0, 2, 1, 0]
    assert "libtorch" in maps
