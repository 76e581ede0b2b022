"""A Python interpreter that sees some of the installed distributions and what these need, and no others."""

import os
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement


def needed(names):
    """Installed distributions that these need, with themselves, by name."""
    found, todo = {}, list(names)
    while todo:
        name = todo.pop()
        try:
            one = distribution(name)
        except PackageNotFoundError:
            continue  # for another system
        if one.name not in found:
            found[one.name] = one
            requirements = map(Requirement, one.requires or [])
            todo += [r.name for r in requirements if r.marker is None or r.marker.evaluate({"extra": ""})]
    return found


def link(names, folder):
    """Put into a folder what these distributions need, with themselves."""
    for one in needed(names).values():
        for top in {path.parts[0] for path in one.files} - {".."}:
            source = Path(one.locate_file(top))
            if source.exists() and not (folder / top).exists():
                (folder / top).symlink_to(source)


def python(*arguments):
    """Command that runs Python without the site-packages of this interpreter, whatever path files add to them."""
    return [sys.executable, "-S", *map(str, arguments)]


def environ(*folders):
    """Of a process that imports from these folders alone."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV", "PYTEST"))}
    return kept | {"PYTHONPATH": os.pathsep.join(map(str, folders)), "OMP_NUM_THREADS": "1"}
