import os

import pytest

from dhel_kcl.training import cores


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """One of 64 cores, with these control groups and files of limits."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(64)), raising=False)
    monkeypatch.setattr(cores, "GROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(cores, "MOUNTED", tmp_path / "sys")

    def build(groups, files):
        (tmp_path / "cgroup").write_text("\n".join(groups) + "\n")
        for name, content in files.items():
            (tmp_path / "sys" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "sys" / name).write_text(content)

    return build


V1 = {"cpu.cfs_quota_us": "-1\n", "cpu.cfs_period_us": "100000\n"}


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        (["0::/"], {}, 64),
        (["0::/"], {"cpu.max": "max 100000\n"}, 64),
        (["0::/"], {"cpu.max": "200000 100000\n"}, 2),
        (["0::/"], {"cpu.max": "150000 100000\n"}, 2),
        (["0::/"], {"cpu.max": "20000 100000\n"}, 1),
        (["0::/user/me"], {"user/cpu.max": "400000 100000\n", "user/me/cpu.max": "max 100000\n"}, 4),
        (["0::/host/only"], {"cpu.max": "300000 100000\n"}, 3),
        (["0::/"], {"cpu.max": "damaged"}, 64),
        (["4:memory:/", "1:cpu,cpuacct:/"], {f"cpu/{name}": text for name, text in V1.items()}, 64),
        (["1:cpu,cpuacct:/a"], {f"cpu/a/{name}": text.replace("-1", "800000") for name, text in V1.items()}, 8),
        (["1:cpuset:/"], {f"cpu/{name}": text.replace("-1", "800000") for name, text in V1.items()}, 64),
    ],
)
def test_the_quota_of_the_control_group_counts(machine, groups, files, expected):
    """Of both versions, of a group and of those above it, and of a container, which does not see the path to itself."""
    machine(groups, files)
    assert cores.available() == expected


def test_the_affinity_counts_and_what_was_given(machine, monkeypatch):
    machine(["0::/"], {"cpu.max": "500000 100000\n"})
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 3, 7})
    assert cores.available() == 3
    for given, expected in (("2", 2), ("8", 3), ("", 3), ("2,1", 3), ("0", 1)):
        monkeypatch.setenv("OMP_NUM_THREADS", given)
        assert cores.available() == expected


def test_a_system_without_affinity_or_control_groups_has_its_cores(monkeypatch, tmp_path):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(cores, "GROUPS", tmp_path / "absent")
    monkeypatch.setattr(os, "cpu_count", lambda: 10)
    assert cores.available() == 10


def test_no_more_threads_are_taken_than_there_are_cores(monkeypatch):
    monkeypatch.setattr(cores, "available", lambda: 4)
    assert [cores.taken(asked) for asked in (1, 4, 8)] == [1, 4, 4]
    assert [cores.taken(8, processes) for processes in (2, 3, 8)] == [2, 1, 1]
    assert cores.shortage(4) == cores.shortage(1, 4) == ""
    assert cores.shortage(8) == "threads: 8 are asked for, and 4 taken: this job may use no more cores"
    assert "and 2 taken by each process: this job" in cores.shortage(8, 2)
