"""How many processor cores this process may use, and how many threads a job takes of those that its suite asks for.

More threads than cores wait for one another: a step of ResNet-18 in bf16 takes 14 times as long with eight threads on
two cores as with two.
"""

import math
import os
from collections.abc import Iterator
from pathlib import Path

GROUPS = Path("/proc/self/cgroup")
MOUNTED = Path("/sys/fs/cgroup")
GIVEN = "OMP_NUM_THREADS"
"""Environment variable with the threads that a job was given, by Snakemake among others."""


def available() -> int:
    """Cores that this process may use: by its affinity, by the quotas of its control groups, and as it was given."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    given = os.environ.get(GIVEN, "")
    limits = [allowed, *(math.ceil(quota) for quota in _quotas()), *([int(given)] if given.isdecimal() else [])]
    return max(1, min(limits))


def taken(asked: int, processes: int = 1) -> int:
    """Threads of each of the processes that share a run, where so many are asked for: no more than there are cores."""
    return max(1, min(asked, available() // processes))


def shortage(asked: int, processes: int = 1) -> str:
    """What there is to say where fewer threads are taken than asked for; nothing otherwise."""
    threads = taken(asked, processes)
    if threads == asked:
        return ""
    each = " by each process" if processes > 1 else ""
    return f"threads: {asked} are asked for, and {threads} taken{each}: this job may use no more cores"


def _quotas() -> Iterator[float]:
    """Cores by each quota that limits this process: of version 2 of control groups, and of version 1."""
    try:
        groups = [line.split(":", 2) for line in GROUPS.read_text(encoding="utf-8").splitlines()]
    except OSError:  # no Linux
        return
    for _, controllers, path in groups:
        files: tuple[str, ...] = ("cpu.max",)
        root = MOUNTED
        if controllers:
            files, root = ("cpu.cfs_quota_us", "cpu.cfs_period_us"), MOUNTED / "cpu"
        if controllers and "cpu" not in controllers.split(","):
            continue
        inside = Path(path.strip().lstrip("/"))
        for folder in (inside, *inside.parents):  # in a container its own group is the root, whatever the path
            try:
                quota, period = " ".join((root / folder / file).read_text(encoding="utf-8") for file in files).split()
                if int(quota) > 0:
                    yield int(quota) / int(period)
            except (OSError, ValueError):  # no such file, or no limit ("max")
                continue
