"""Where a result comes from: code revision, versions, machine, and the plan that it was made by."""

import platform
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

from dhel_kcl.files import sha256
from dhel_kcl.runtime.digest import SOURCE
from dhel_kcl.runtime.repository import GitError, git
from dhel_kcl.study import layout

PACKAGES = ("torch", "numpy", "scipy", "safetensors", "pandas", "matplotlib", "seaborn", "scikit-learn", "snakemake")
UNKNOWN = "unknown"
CHANGES = "+changes"
"""Behind the revision of a tree that differs from it."""


def git_revision(source: Path = SOURCE) -> tuple[str, str]:
    """Commit of the package's source, with "+changes" if tracked files differ from it; and what hinders Git, or "".

    The commit is "unknown" if the package's files are not Git's: installed as a wheel or unpacked from an archive,
    perhaps inside the repository of something else. Also if Git refuses to tell, as of a checkout that belongs to
    another user: that can be mended, so it is the only hindrance that is told.
    """
    try:
        git(source, "ls-files", "--error-unmatch", "--", "__init__.py")
        revision = git(source, "rev-parse", "HEAD").strip()
        changed = git(source, "status", "--porcelain", "--untracked-files=no", "--", ".")
    except GitError as error:
        refused = error.status == 128 and not error.no_repository
        return UNKNOWN, f"the Git revision stays unknown, since git says: {error}" if refused else ""
    return revision + (CHANGES if changed else ""), ""


def environment() -> dict[str, Any]:
    """Git revision, versions (None of what is not installed) and machine, for a run's record."""
    revision, hindrance = git_revision()
    if hindrance:
        print(f"warning: {hindrance}", file=sys.stderr)
    return {
        "git_revision": revision,
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PACKAGES},
        "platform": platform.platform(),
        "processor": processor(),
    }


def planned(source: Path = SOURCE) -> dict[str, str | None]:
    """SHA-256 of the analysis plan and of the statements, as they are now; None for what is not there."""
    files = {"plan": source.parents[1] / layout.ANALYSIS_PLAN, "claims": source / "evidence/claims.yaml"}
    return {name: sha256(path) if path.is_file() else None for name, path in files.items()}


def history_of_plan(revisions: Iterable[str], source: Path = SOURCE) -> list[str]:
    """Whether these revisions, as runs record them, contain the analysis plan as it is; a sentence each."""
    root, plan = source.parents[1], layout.ANALYSIS_PLAN
    try:
        if git(root, "rev-parse", "--is-shallow-repository").strip() == "true":
            raise GitError(128, "the clone has no history; `git fetch --unshallow` brings it")
        commit = git(root, "log", "-1", "--format=%H", "--", plan).strip()
        if not commit or git(root, "status", "--porcelain", "--", plan):
            return [
                f"{plan} {'has changes that are' if commit else 'is'} not committed, so no run followed it as it is"
            ]
    except GitError as error:
        return [f"whether runs followed {plan} cannot be told from the history: {error}"]
    return [_followed(root, commit, revision) for revision in revisions]


def _followed(root: Path, commit: str, revision: str) -> str:
    bare, changes = revision.removesuffix(CHANGES), revision.endswith(CHANGES)
    what = f"revision {bare[:10]}{' with changes that are not committed' if changes else ''}, which trained runs,"
    try:
        git(root, "merge-base", "--is-ancestor", commit, bare)
    except GitError as error:
        if error.status == 1:
            return f"{what} does NOT contain {layout.ANALYSIS_PLAN} as it is (commit {commit[:10]})"
        return f"{what} is not in this repository, so its history cannot be told"
    return f"{what} contains {layout.ANALYSIS_PLAN} as it is (commit {commit[:10]})"


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def processor() -> str:
    """Model of the processor, as the system names it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
            return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()
