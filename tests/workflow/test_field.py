"""Machines as users have them: the same results there, or a word that helps."""

import os
import shutil
import sys

import pytest

from dhel_kcl.presentation.table_files import FORMATS
from tests import pipeline
from tests.pipeline import ROOT, dvc, git, jobs, run, snakemake
from tests.workflow.test_nothing_stale import artefacts

ELSEWHERE = ("data", "scratch", "results/runs")
"""Folders that users keep on another disk."""
HOOKS = """
import os, pwd, sys

def nobody(number):
    raise KeyError(f"getpwuid(): uid not found: {number}")

def refuse(event, arguments):
    if event == "os.chmod":
        path = arguments[0] if not isinstance(arguments[0], int) else f"/proc/self/fd/{arguments[0]}"
        if os.path.realpath(path).startswith(os.environ["REFUSING"]):
            raise PermissionError(1, "Operation not permitted", path)

pwd.getpwuid = nobody
sys.addaudithook(refuse)
"""
SETTINGS = {
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "GIT_DIR": "/nowhere",
    "GIT_INDEX_FILE": "/nowhere/index",
    "GIT_WORK_TREE": "/nowhere",
    "LC_ALL": "C",
    "PYTHONCOERCECLOCALE": "0",
    "PYTHONUTF8": "0",
    "PYTHONOPTIMIZE": "2",
    "PYTHONWARNINGS": "error::DeprecationWarning",
    "LOGNAME": "unnamed",
}
"""What a notebook, a hook, a locale and a user set. LOGNAME is what `make` sets where there is no name."""


@pytest.fixture
def machine(clone, tmp_path, monkeypatch):
    """A clone with pulled results on a machine with all that at once: data on a disk that refuses chmod, nobody's user
    id, no home yet, a strict umask, a matplotlibrc."""
    disk = tmp_path / "disk"
    for name in ELSEWHERE:
        (clone / name).mkdir(exist_ok=True)
        shutil.move(clone / name, disk / name)
        (clone / name).symlink_to(disk / name, target_is_directory=True)
    (tmp_path / "hooks").mkdir()
    (tmp_path / "hooks/sitecustomize.py").write_text(HOOKS, encoding="utf-8")
    (tmp_path / "matplotlibrc").write_text("font.size: 30\nlines.linewidth: 9\n", encoding="utf-8")
    path = f"{tmp_path / 'hooks'}{os.pathsep}{clone / 'src'}"
    settings = SETTINGS | {"REFUSING": str(disk.resolve()), "PYTHONPATH": path, "HOME": str(tmp_path / "home")}
    settings |= {"MATPLOTLIBRC": str(tmp_path / "matplotlibrc")}
    usual, umask = pipeline.environment, os.umask(0o077)
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "environment", lambda root: usual(root) | settings)
        yield clone
    os.umask(umask)


def test_a_machine_with_its_own_mind_gives_the_same_bytes(machine, pulled, tmp_path):
    """Every step runs there, fetching and drawing a split by hand, without a home; the others under Snakemake."""
    before = artefacts(pulled)
    alone = ("env", "-u", "HOME", "-u", "LOGNAME", sys.executable, "-m", "dhel_kcl")
    again, split = tmp_path / "disk/again", tmp_path / "disk/split.npz"
    sizes = ("--train", "100", "--validation", "40", "--test", "60")
    for step in (
        ("fetch", "--dataset", "digits", "--out", again),
        ("split", "--data", again, *sizes, "--out", split),
    ):
        code, output = run(machine, *alone, *map(str, step))
        assert code == 0, output
    assert split.read_bytes() == before["data/splits/smoke/digits.npz"]
    assert {f"data/digits/{path.name}": path.read_bytes() for path in again.iterdir()}.items() <= before.items()

    trained = machine / "results/runs/smoke/digits/simclr_m16_selected/seed1"
    shutil.rmtree(trained)
    code, output = snakemake(machine, "--forcerun", "plan_suite", "collect_results")
    assert code == 0, output
    assert (trained / "probe.json").stat().st_mode & 0o777 == 0o600
    for name in ELSEWHERE:
        (machine / name).unlink()
        shutil.move(tmp_path / "disk" / name, machine / name)
    after = artefacts(machine)
    assert before.keys() == after.keys()
    assert [name for name in before if before[name] != after[name]] == []


def test_folders_linked_to_another_disk_are_none_of_gits(tmp_path):
    shutil.copy2(ROOT / ".gitignore", tmp_path)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".gitignore")
    for name in (*ELSEWHERE, "logs", "interim", ".snakemake", ".venv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).symlink_to(tmp_path.parent, target_is_directory=True)
    assert git(tmp_path, "status", "--porcelain") == "A  .gitignore\n"


def test_line_ends_are_the_same_in_every_checkout(tmp_path):
    """DVC and digests hash bytes, and Bash stumbles over carriage returns."""
    others = (".git", ".venv", ".snakemake", "data", "runs", "scratch", "logs", "__pycache__", "*.egg-info")
    sources = shutil.copytree(ROOT, tmp_path / "sources", ignore=shutil.ignore_patterns(*others))
    git(sources, "init", "--quiet")
    git(sources, "add", "--all")
    git(sources, "commit", "--quiet", "--message", "all")
    settings = ("-c", "core.autocrlf=true", "-c", "core.eol=crlf")
    git(tmp_path, *settings, "clone", "--quiet", str(sources), str(tmp_path / "clone"))
    tracked = git(sources, "ls-files", "-z").split("\0")[:-1]
    assert len(tracked) > 300
    assert [name for name in tracked if (tmp_path / "clone" / name).read_bytes() != (sources / name).read_bytes()] == []
    assert "crlf" not in git(sources, "ls-files", "--eol")


def test_users_settings_of_dvc_do_not_reach_the_cache_or_git(clone, tmp_path, monkeypatch):
    """Linked to, cached copies would be changed by Snakemake."""
    (tmp_path / "config").write_text("[core]\nautostage = true\n[cache]\ntype = symlink\n", encoding="utf-8")
    monkeypatch.setitem(pipeline.WHO, "DVC_GLOBAL_CONFIG_DIR", str(tmp_path))
    assert dvc(clone, "config", "--global", "cache.type")[1] == "symlink\n"
    images = clone / "data/digits/images.npy"
    images.unlink()
    code, output = dvc(clone, "checkout", "--force")
    assert code == 0, output
    assert images.is_file()
    assert not images.is_symlink()
    code, output = dvc(clone, "status")
    assert "up to date" in output
    assert git(clone, "status", "--porcelain") == ""


def program(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


def test_dvc_finds_snakemake_where_the_environment_is_not_activated(clone):
    program(clone / ".venv/bin/snakemake", f'exec "{sys.executable}" -m snakemake "$@"')
    path = "PATH=/usr/bin:/bin"
    assert run(clone, "env", path, "sh", "-c", "command -v snakemake")[0] != 0
    code, output = run(clone, "env", path, sys.executable, "-m", "dvc", "repro", "--force")
    assert code == 0, output
    assert "Nothing to be done" in output


@pytest.fixture
def installed(tmp_path):
    """A folder with the Makefile, in whose .venv are programs that only say their names."""
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy2(ROOT / name, tmp_path)
    for name in ("dvc", "snakemake"):
        program(tmp_path / ".venv/bin" / name, f'echo "{name} called with $*"')
    (tmp_path / ".venv/installed").touch()
    return tmp_path


def test_an_archive_of_the_sources_is_reproduced_without_git(installed):
    code, output = run(installed, "make", "reproduce")
    assert code == 0, output
    assert "no Git repository here, so DVC cannot version the results" in output
    assert "snakemake called with --cores all" in output
    git(installed, "init", "--quiet")
    code, output = run(installed, "make", "reproduce")
    assert "dvc called with repro" in output
    assert "snakemake" not in output


@pytest.mark.parametrize("home", [["-u", "HOME"], ["HOME=/nowhere"]], ids=["none", "missing"])
def test_make_gives_a_home_and_a_name_to_a_user_without(installed, home):
    """Snakemake and DVC end in an error there."""
    show = "show:\n\t@echo home $$HOME, name $$LOGNAME\n"
    (installed / "show.mk").write_text(f"include Makefile\n{show}", encoding="utf-8")
    make = ("env", "-u", "LOGNAME", *home, "make", "--no-print-directory", "--file", "show.mk", "show")
    program(installed / ".venv/bin/id", "exit 1")
    path = f"{installed}/.venv/bin{os.pathsep}{os.environ['PATH']}"
    code, output = run(installed, "env", f"PATH={path}", *make)
    assert (code, output) == (0, f"home {installed}/.home, name unnamed\n")
    (installed / ".venv/bin/id").unlink()
    code, output = run(installed, "env", f"HOME={installed}", "LOGNAME=me", "make", "--file", "show.mk", "show")
    assert f"home {installed}, name me" in output


# A package that needs another one, built without any other package.
BACKEND = """
from zipfile import ZipFile

def build_wheel(folder, *_, **__):
    return wheel(folder, "toy", "Requires-Dist: needed")

def wheel(folder, name, more=""):
    info, file = f"{name}-1.dist-info", f"{name}-1-py3-none-any.whl"
    with ZipFile(f"{folder}/{file}", "w") as content:
        content.writestr(f"{name}.py", "")
        content.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\\nName: {name}\\nVersion: 1\\n{more}\\n")
        content.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        content.writestr(f"{info}/RECORD", "")
    return file

build_editable = build_wheel
"""
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "toy"
version = "1"
"""


def test_pip_installs_into_the_environment_from_where_the_user_says(tmp_path):
    shutil.copy2(ROOT / "Makefile", tmp_path)
    for name, text in (("backend.py", BACKEND), ("pyproject.toml", PROJECT), ("requirements.lock", "needed==1\n")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "index").mkdir()
    code, output = run(tmp_path, sys.executable, "-c", "import backend; backend.wheel('index', 'needed')")
    assert code == 0, output
    places = "target = /nowhere\nprefix = /nowhere\nroot = /nowhere\n"
    (tmp_path / "pip.conf").write_text(f"[install]\n{places}", encoding="utf-8")
    environ = {"PIP_CONFIG_FILE": tmp_path / "pip.conf", "PIP_NO_INDEX": 1, "PIP_FIND_LINKS": tmp_path / "index"}
    environ |= {"PIP_USER": 1, "PIP_NO_DEPS": 1, "PIP_CONSTRAINT": "/nowhere"}
    pairs = [f"{name}={value}" for name, value in environ.items()]
    code, output = run(tmp_path, "env", *pairs, "make", "install", f"PYTHON={sys.executable}")
    assert code == 0, output
    code, output = run(tmp_path, ".venv/bin/python", "-c", "import needed, toy")
    assert code == 0, output


def test_a_name_that_is_no_targets_is_explained(clone):
    for name, meant in (("smke", "smoke"), ("thery", "theory")):
        code, output = snakemake(clone, "-n", name)
        assert code != 0
        assert f"unknown target {name!r} (did you mean {meant!r}?); allowed: all, theory, cifar10, " in output
        assert "No rule to produce" not in output


def test_no_run_ends_with_jobs_of_which_nothing_is_recorded(clone, project, tmp_path):
    """The table of what others published is in Git, which gives files any date."""
    git(project, "clone", "--quiet", str(project), str(tmp_path / "bare"))
    for folder in (clone, tmp_path / "bare"):
        for extension in FORMATS:
            (folder / f"paper_figures/published.{extension}").touch()
    code, output = snakemake(clone)
    assert code == 0
    assert "Nothing to be done" in output
    assert "missing provenance" not in output
    assert "tabulate_published" in jobs(tmp_path / "bare")
