"""Where a result comes from: code revision, versions, machine."""

import platform
import subprocess
from importlib.metadata import version
from typing import Any

PACKAGES = ("torch", "numpy", "scipy", "safetensors", "pandas", "matplotlib", "seaborn", "scikit-learn", "snakemake")


def git_revision() -> str:
    """Commit of the source tree, with "+changes" if tracked files differ from it; "unknown" outside Git."""
    from dhel_kcl import __file__ as package

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(package).rsplit("/", 1)[0], *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        revision = git("rev-parse", "HEAD")
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ".")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return revision + ("+changes" if changed else "")


def environment() -> dict[str, Any]:
    """Git revision, versions and machine, for a run's record."""
    return {
        "git_revision": git_revision(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
        "platform": platform.platform(),
        "processor": _processor(),
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()
