"""The real pipeline in a Git repository of its own, with the smoke suite as its default and a folder as DVC remote."""

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dhel_kcl.evidence.figures import figures_of
from dhel_kcl.evidence.tables import tables_of
from dhel_kcl.runtime.repository import ELSEWHERE
from dhel_kcl.study.suite import Suite

ROOT = Path(__file__).parents[1]
SOURCES = (
    ".dvcignore",
    ".gitattributes",
    ".gitignore",
    "README.md",
    "Snakefile",
    "config",
    "docs/analysis_plan.md",
    "dvc.yaml",
    "profiles",
    "src",
    "workflow",
)
WHO = {"GIT_AUTHOR_NAME": "test", "GIT_AUTHOR_EMAIL": "test@example.org"}
WHO |= {"GIT_COMMITTER_NAME": "test", "GIT_COMMITTER_EMAIL": "test@example.org"}
# Not what the user's own configuration says of signatures, hooks, line ends, caches.
WHO |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
WHO |= {f"DVC_{level}_CONFIG_DIR": "/nowhere" for level in ("GLOBAL", "SYSTEM")}
SMOKE = Suite.load(ROOT, "smoke")
COMBINED = {"collect_results", "judge_claims", "record_provenance", "all"}
COMBINED |= {f"draw_figure {name}" for name in figures_of(SMOKE)}
COMBINED |= {f"tabulate_results {name}" for name in tables_of(SMOKE)}
"""Rules that gather all runs of a suite."""


def environment(root):
    """Variables with which commands use the sources in `root`, wherever the package is installed from."""
    usual = {name: value for name, value in os.environ.items() if name not in ELSEWHERE}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return usual | WHO | {"PYTHONPATH": str(root / "src"), "PATH": path, "COLUMNS": "200"}


def run(folder, *command, root=None):
    """Exit status and output of a command in `folder`, with the sources of `root` (default: of `folder`)."""
    environ = environment(root or folder)
    result = subprocess.run([*command], cwd=folder, env=environ, capture_output=True, text=True)
    return result.returncode, result.stdout + result.stderr


def snakemake(folder, *arguments, root=None):
    """Snakemake on `folder` by the workflow in `root` (default: in `folder`), as a user in `root` would call it."""
    where = [] if root is None else ["--directory", str(folder)]
    return run(root or folder, sys.executable, "-m", "snakemake", "--cores", "2", *where, *arguments)


def dvc(folder, *arguments):
    return run(folder, sys.executable, "-m", "dvc", *arguments)


def git(folder, *arguments):
    code, output = run(folder, "git", *arguments)
    assert code == 0, output
    return output


def planned(output):
    """{rule: number of jobs} of a dry run."""
    return {rule: int(count) for rule, count in re.findall(r"^(\w+)\s+(\d+)$", output, re.MULTILINE)}


def jobs(folder, *arguments):
    """Jobs that a dry run plans: "rule", with "run/seed", the setting, or the name of the figure or table, if any."""
    code, output = snakemake(folder, "-n", "--quiet", "host", *arguments)
    assert code == 0, output
    found = set()
    for block in re.split(r"^(?:local)?rule ", output, flags=re.MULTILINE)[1:]:
        wildcards = dict(re.findall(r"(\w+)=([^,\n]+)", (re.findall(r"wildcards: (.*)", block) or [""])[0]))
        of_run = f" {wildcards['run']}/{wildcards['seed']}" if "run" in wildcards else ""
        of_setting = f" {wildcards['method']}_m{wildcards['batch_size']}" if "method" in wildcards else ""
        shown = [wildcards[key] for key in ("figure", "table", "experiment", "theory_table") if key in wildcards]
        found.add(" ".join([block.split(":")[0] + of_run + of_setting, *shown]))
    assert len(found) == planned(output).get("total", 0), "the plan was not understood"
    return found


def edit(folder, file, old, new):
    path = folder / file
    text = path.read_text()
    assert text.count(old) >= 1
    path.write_text(text.replace(old, new))


def checkout(folder):
    """The workflow's sources, edited so that the default is the suite smoke, without the theory, which takes minutes,
    and so that its tables and figures go in Git."""
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, folder / name)
    (folder / ".dvc").mkdir()
    for name in ("config", ".gitignore"):
        shutil.copy2(ROOT / ".dvc" / name, folder / ".dvc" / name)
    shutil.copytree(ROOT / ".dvc/plots", folder / ".dvc/plots")
    for file in ("config/config.yaml", "dvc.yaml"):
        edit(folder, file, "digits", "smoke")
    edit(folder, "Snakefile", "suite_results(DEFAULT_SUITE),\n            THEORY,", "suite_results(DEFAULT_SUITE),")
    for out in ("results/theory", "paper_figures/theory"):
        edit(folder, "dvc.yaml", f"      - {out}:\n          persist: true\n          cache: false\n", "")
    ignored = (folder / ".gitignore").read_text().splitlines(keepends=True)
    (folder / ".gitignore").write_text("".join(line for line in ignored if "smoke" not in line))
    return folder


@contextlib.contextmanager
def made_once(tmp_path_factory, worker_id, name):
    """Folder that all processes of a test session share; True with it for the one that is to make it.

    The others wait until it is there.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / name
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder.with_suffix(".done")
        yield folder, not done.exists()
        done.touch()


@pytest.fixture(scope="session")
def project(tmp_path_factory, worker_id):
    """Finished smoke run, committed and pushed; its path has a space and letters outside ASCII. Not to be changed."""
    with made_once(tmp_path_factory, worker_id, "project") as (parent, missing):
        folder = parent / "reproduced härë"
        if missing:
            make_project(checkout(folder))
    return folder


def make_project(folder):
    git(folder, "init", "--quiet")
    dvc(folder, "remote", "add", "--default", "store", str(folder.parent / "store"))
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "sources")
    code, output = dvc(folder, "repro")
    assert code == 0, output
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "results")
    code, output = dvc(folder, "push")
    assert code == 0, output


@pytest.fixture(scope="session")
def pulled(project, tmp_path_factory, worker_id):
    """A clone after `dvc pull`. Not to be changed."""
    with made_once(tmp_path_factory, worker_id, "pulled") as (folder, missing):
        if missing:
            git(project, "clone", "--quiet", str(project), str(folder))
            code, output = dvc(folder, "pull")
            assert code == 0, output
    return folder


@pytest.fixture
def clone(pulled, tmp_path):
    """A clone with pulled results to do harm to."""
    return shutil.copytree(pulled, tmp_path / "clone", symlinks=True)
