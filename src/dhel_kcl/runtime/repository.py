"""Git, asked about the repository that a folder lies in."""

import os
import subprocess
from pathlib import Path

ELSEWHERE = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
)
"""What hooks, and users of several repositories, export of another one."""


class GitError(ValueError):
    """Git's refusal, in its own words; `status` is its exit status."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status

    @property
    def no_repository(self) -> bool:
        return "not a git repository" in str(self)


def git(folder: Path, *arguments: str) -> str:
    """What `git ARGUMENTS` prints in a folder, whose repository it asks whatever the environment says.

    Raises GitError where git refuses, and where there is none.
    """
    environ = {name: value for name, value in os.environ.items() if name not in ELSEWHERE}
    environ |= {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}  # English; several jobs may ask at a time
    try:
        result = subprocess.run(["git", *arguments], cwd=folder, env=environ, capture_output=True, encoding="utf-8")
    except FileNotFoundError:
        raise GitError(127, "git is not installed") from None
    if result.returncode:
        raise GitError(result.returncode, result.stderr.strip())
    return result.stdout
