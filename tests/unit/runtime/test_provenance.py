import hashlib
import re
import shutil
from importlib import metadata

import pytest

from dhel_kcl.runtime import provenance
from dhel_kcl.runtime.provenance import git_revision, history_of_plan
from tests.pipeline import git


@pytest.fixture
def source(tmp_path):
    """The package's files in a repository, all committed."""
    folder = tmp_path / "project/src/dhel_kcl"
    folder.mkdir(parents=True)
    for name in ("__init__.py", "registry.py"):
        (folder / name).write_text("X = 1\n", encoding="utf-8")
    git(tmp_path, "init", "--quiet", str(tmp_path / "project"))
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "all")
    return folder


def test_the_revision_is_that_of_the_tree_and_says_whether_files_differ_from_it(source):
    head = git(source, "rev-parse", "HEAD").strip()
    assert git_revision(source) == (head, "")
    (source / "registry.py").write_text("X = 2\n", encoding="utf-8")
    assert git_revision(source) == (f"{head}+changes", "")


def test_files_inside_a_repository_that_does_not_track_them_have_no_revision(source, tmp_path):
    """An archive unpacked, or a wheel installed, inside the clone of something else."""
    for place in ("unpacked/src/dhel_kcl", ".venv/lib/site-packages/dhel_kcl"):
        copy = shutil.copytree(source, tmp_path / "project" / place)
        assert git_revision(copy) == ("unknown", "")
    assert git_revision(shutil.copytree(source, tmp_path / "alone")) == ("unknown", "")


def test_a_repository_without_a_commit_or_a_machine_without_git_gives_no_revision(tmp_path, monkeypatch, source):
    git(tmp_path, "init", "--quiet", str(tmp_path / "new"))
    (tmp_path / "new/__init__.py").touch()
    git(tmp_path / "new", "add", "__init__.py")
    assert git_revision(tmp_path / "new")[0] == "unknown"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_revision(source) == ("unknown", "")


def test_a_checkout_of_another_owner_does_not_become_unknown_in_silence(source, monkeypatch, capsys):
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, "/dev/null")
    revision, hindrance = git_revision(source)
    assert revision == "unknown"
    assert re.search(r"dubious ownership in repository at '.*project'", hindrance)
    assert "git config --global --add safe.directory" in hindrance
    monkeypatch.setattr(provenance, "git_revision", lambda: (revision, hindrance))
    assert provenance.environment()["git_revision"] == "unknown"
    assert "warning: the Git revision stays unknown, since git says: fatal: detected" in capsys.readouterr().err


def test_versions_of_packages_that_are_not_installed_are_none(monkeypatch):
    def version(name):
        raise metadata.PackageNotFoundError(name)

    assert set(map(type, provenance.environment()["versions"].values())) == {str}
    monkeypatch.setattr(metadata, "version", version)
    assert provenance.environment()["versions"] == dict.fromkeys(provenance.PACKAGES)


def committed(source, path, text):
    """Commit in which the file at `path` of the project says `text`."""
    file = source.parents[1] / path
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, encoding="utf-8")
    git(source.parents[1], "add", "--all")
    git(source.parents[1], "commit", "--quiet", "--message", path)
    return git(source, "rev-parse", "HEAD").strip()


def test_checksums_of_plan_and_statements(source):
    assert provenance.planned(source) == {"plan": None, "claims": None}
    (source / "evidence").mkdir()
    (source / "evidence/claims.yaml").write_text("claims", encoding="utf-8")
    before = provenance.planned(source)
    assert before == {"plan": None, "claims": hashlib.sha256(b"claims").hexdigest()}
    committed(source, "docs/analysis_plan.md", "plan")
    assert provenance.planned(source) == before | {"plan": hashlib.sha256(b"plan").hexdigest()}


def test_the_history_says_which_runs_followed_the_plan(source):
    root, early = source.parents[1], git(source, "rev-parse", "HEAD").strip()
    assert history_of_plan([early], source) == [
        "docs/analysis_plan.md is not committed, so no run followed it as it is"
    ]
    plan = committed(source, "docs/analysis_plan.md", "plan")
    late = committed(source, "docs/other.md", "other")
    told = history_of_plan([early, plan, f"{late}+changes", "unknown"], source)
    assert ["does NOT contain" in each for each in told] == [True, False, False, False]
    assert [f"contains docs/analysis_plan.md as it is (commit {plan[:10]})" in each for each in told] == [
        False, True, True, False
    ]  # fmt: skip
    assert "with changes that are not committed" in told[2]
    assert told[3].endswith("is not in this repository, so its history cannot be told")
    (root / "docs/analysis_plan.md").write_text("edited", encoding="utf-8")
    assert "has changes that are not committed" in history_of_plan([late], source)[0]
    edited = committed(source, "docs/analysis_plan.md", "edited")
    assert [f"NOT contain docs/analysis_plan.md as it is (commit {edited[:10]})" in each
            for each in history_of_plan([late, edited], source)] == [True, False]  # fmt: skip


def test_a_history_that_is_missing_is_said_to_be(source, tmp_path, monkeypatch):
    late = committed(source, "docs/analysis_plan.md", "plan")
    git(tmp_path, "clone", "--quiet", "--depth", "1", f"file://{source.parents[1]}", str(tmp_path / "shallow"))
    (shallow,) = history_of_plan([late], tmp_path / "shallow/src/dhel_kcl")
    assert shallow.endswith("the clone has no history; `git fetch --unshallow` brings it")
    (archive,) = history_of_plan([late], shutil.copytree(source, tmp_path / "archive/src/dhel_kcl"))
    assert "cannot be told from the history: fatal: not a git repository" in archive
    monkeypatch.setenv("PATH", str(tmp_path))
    assert history_of_plan([late], source)[0].endswith("cannot be told from the history: git is not installed")
