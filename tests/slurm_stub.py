"""Stands in for Slurm's commands: runs jobs here at once, and records how it was asked to.

Installed in a folder of a test's PATH under the name of each command; its state is in that folder. The file `preempt`
there, if it exists, names a file and a text: when the text stands in that file, all processes of the running job step
get SIGTERM, once, as from a Slurm that needs the node or reaches a time limit.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

COMMANDS = ("sbatch", "squeue", "sacct", "scancel", "srun", "sinfo", "scontrol")
FOLDER = Path(__file__).parent


def install(folder: Path) -> None:
    """Put the commands in `folder`."""
    folder.mkdir()
    for command in COMMANDS:
        path = folder / command
        path.write_text(f"#!{sys.executable}\n{Path(__file__).read_text()}")
        path.chmod(0o755)


def sbatch(arguments: list[str]) -> None:
    """Start the job behind --wrap, and print its id."""
    number = 1 + len(list(FOLDER.glob("*.job")))
    options = {"-D": "workdir", "-t": "time", "-p": "partition"}
    asked, rest = {}, iter(arguments)
    for argument in rest:
        name, _, value = argument.partition("=")
        takes_value = not value and name not in ("--parsable", "--requeue")
        asked[options.get(name, name.lstrip("-"))] = next(rest) if takes_value else value
    (FOLDER / f"{number}.job").write_text(json.dumps(asked | {"planned": os.environ.get("DHEL_KCL_PLANNED", "")}))
    (FOLDER / f"{number}.state").write_text("RUNNING")
    log = asked["output"].replace("%j", str(number))
    command = [sys.executable, __file__, "run", str(number), asked["wrap"], log]
    nowhere = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.Popen(command, cwd=asked["workdir"], start_new_session=True, **nowhere)
    print(number)


def run(number: str, script: str, log: str) -> None:
    environment = os.environ | {"SLURM_JOB_ID": number}
    with open(log, "wb") as output:
        code = subprocess.call(["sh", "-c", script], stdout=output, stderr=subprocess.STDOUT, env=environment)
    (FOLDER / f"{number}.state").write_text("COMPLETED" if code == 0 else "FAILED")


def srun(arguments: list[str]) -> None:
    """Run a job step in a process group of its own; its options are those before Python's path."""
    start = next(i for i, argument in enumerate(arguments) if "python" in argument)
    step = subprocess.Popen(arguments[start:], start_new_session=True)
    threading.Thread(target=preempt, args=[step.pid], daemon=True).start()
    raise SystemExit(step.wait())


def preempt(group: int) -> None:
    try:
        file, text = (FOLDER / "preempt").read_text().splitlines()
    except OSError:
        return
    while not (Path(file).is_file() and text in Path(file).read_text()):
        time.sleep(0.02)
    (FOLDER / "preempt").rename(FOLDER / "preempted")
    os.killpg(group, signal.SIGTERM)


def states() -> None:
    """Print the jobs' states once all have ended: the plugin asks at growing intervals, and the test would wait."""
    patience = time.monotonic() + 50
    while time.monotonic() < patience and any(path.read_text() == "RUNNING" for path in FOLDER.glob("*.state")):
        time.sleep(0.05)
    for path in FOLDER.glob("*.state"):
        print(f"{path.stem}|{path.read_text()}")


if __name__ == "__main__":
    name, arguments = Path(sys.argv[0]).name, sys.argv[1:]
    if arguments[:1] == ["run"]:
        run(*arguments[1:])
    elif name == "sbatch":
        sbatch(arguments)
    elif name == "srun":
        srun(arguments)
    elif name in ("squeue", "sacct"):
        if "--name" in arguments:
            states()
    elif name == "sinfo":
        print("PARTITION\ngpu*")
