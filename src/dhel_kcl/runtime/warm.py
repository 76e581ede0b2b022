"""Steps that start at once: one process imports what they need and forks a child for every job.

Importing torch takes two to three seconds of a core, a training of the default suite four. So Snakemake starts this
process (`start`), and `dhel-kcl` hands it a job (`hand_over`): arguments, folder, environment, umask and open streams.
A child of it runs the step; signals are passed on to it, its end is that of `dhel-kcl`, and if `dhel-kcl` is killed, so
is the child. The process ends with the Snakemake that started it.

Where there is no such process - a step by hand, a node of a cluster, a system without Linux's process descriptors, a
folder for temporary files where no socket can be - a step runs where it was started, and gives the same result. So does
a job that may use several threads: the libraries read that number when they are loaded.
"""

import gc
import json
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

ADDRESS = "DHEL_KCL_WARM"
"""Environment variable with the path of the process's socket."""
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
TAKEN = b"t"
STATUS = struct.Struct("i")


def start() -> subprocess.Popen[bytes] | None:
    """Start the process and name it in the environment; None where the system has not what it needs.

    It lives until its standard input is closed, which happens when the caller ends, however it does.
    """
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):  # Python's build or the kernel has it not
        return None
    folder = tempfile.mkdtemp(prefix="dhel-kcl-")
    address = os.path.join(folder, "socket")
    # It is made here, so that a job can wait in the queue while the process still imports.
    with socket.socket(socket.AF_UNIX) as listener:
        try:
            listener.bind(address)
        except OSError:  # a path of more than 107 bytes, or a disk that has no sockets
            os.rmdir(folder)
            return None
        listener.listen(128)
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", "from dhel_kcl.__main__ import serve; serve()", str(listener.fileno())],
            env=os.environ | dict.fromkeys(THREADS, "1"),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )
    os.environ[ADDRESS] = address
    return process


def hand_over(arguments: list[str]) -> int | None:
    """Have the warm process run a step; its exit status, negative for a signal, or None if it did not take the job."""
    if ADDRESS not in os.environ or any(os.environ.get(name) != "1" for name in THREADS):
        return None
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(os.environ[ADDRESS])
            taken = _ask(connection, arguments)
        except OSError:
            return None
        return _outcome(connection) if taken else None


def _ask(connection: socket.socket, arguments: list[str]) -> bool:
    umask = os.umask(0)
    os.umask(umask)
    job = {"arguments": arguments, "folder": os.getcwd(), "umask": umask, "environment": dict(os.environ)}
    socket.send_fds(connection, [b"j"], [0, 1, 2])
    connection.sendall(json.dumps(job).encode() + b"\n")
    return connection.recv(1) == TAKEN


def _outcome(connection: socket.socket) -> int:
    """Pass signals on until the step ends."""
    for number in PASSED_ON:
        signal.signal(number, lambda number, frame: connection.send(bytes([number])))
    status = b""
    with suppress(ConnectionError):
        status = connection.recv(STATUS.size, socket.MSG_WAITALL)
    # Without a status the step's keeper was killed.
    return STATUS.unpack(status)[0] if len(status) == STATUS.size else -signal.SIGKILL


def end_as(status: int) -> NoReturn:
    """End this process as the step ended: with its exit status, or by the same signal."""
    if status < 0:
        with suppress(OSError):  # SIGKILL has no handler
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


def serve(listener: socket.socket, run: Callable[[list[str]], None]) -> None:
    """Fork a keeper for every connection until standard input is closed. `run` runs a step, given its arguments."""
    # What is in memory stays in memory: a child's garbage collector need not look at it, and copy its pages.
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        ready, _, _ = select.select([listener, sys.stdin.fileno()], [], [])
        if sys.stdin.fileno() in ready:
            shutil.rmtree(os.path.dirname(listener.getsockname()), ignore_errors=True)
            return
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _keep(connection, run)
        connection.close()


def _keep(connection: socket.socket, run: Callable[[list[str]], None]) -> NoReturn:
    """Run the job of a connection in a child, pass signals on to it, and say how it ended."""
    status = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        _, streams, _, _ = socket.recv_fds(connection, 1, 3)
        with connection.makefile("rb", buffering=0) as reader:
            job = json.loads(reader.readline())
        connection.sendall(TAKEN)
        child = os.fork()
        if child == 0:
            connection.close()
            _become(job, streams, run)
        for stream in streams:
            os.close(stream)
        connection.sendall(STATUS.pack(_watch(child, connection)))
        status = 0
    finally:
        os._exit(status)


def _watch(child: int, connection: socket.socket) -> int:
    """Exit status of the child, negative for a signal."""
    ended = os.pidfd_open(child)
    while True:
        ready, _, _ = select.select([ended, connection.fileno()], [], [])
        if ended in ready:
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        number = connection.recv(1)
        # The end of the stream: dhel-kcl is gone.
        os.kill(child, number[0] if number else signal.SIGKILL)


def _become(job: dict[str, Any], streams: list[int], run: Callable[[list[str]], None]) -> NoReturn:
    """Turn this process into the one that the job would have had, and run its step."""
    code: Any = 1
    try:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.chdir(job["folder"])
        os.umask(job["umask"])
        os.environ.clear()
        os.environ.update(job["environment"])
        run(job["arguments"])
        code = 0
    except SystemExit as end:
        code = end.code
        if isinstance(code, str):
            print(code, file=sys.stderr)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(0 if code is None else code if isinstance(code, int) else 1)
