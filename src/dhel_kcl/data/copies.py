"""A public data set's files, from whatever copy people have: the official archive, one that somebody packed again, or
the folder that came out of it.

What counts is the official MD5 of every single file that is read, which torchvision states; it is checked before
anything opens the file.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from dhel_kcl.data.archives import COMPRESSED, unpacked, workspace
from dhel_kcl.data.download import DOWNLOADS, md5_of, mirrors, obtain
from dhel_kcl.data.prepared import Detail

OFFICIAL, REPACKED, FOLDER = "the official archive", "an archive packed again", "an unpacked folder"


class Reader(Protocol):
    """What torchvision's classes of data sets state."""

    base_folder: str
    url: str
    filename: str
    tgz_md5: str
    train_list: list[list[str]]
    test_list: list[list[str]]


@dataclass(frozen=True)
class Copy:
    """Where the files were found, and what manifest.json says of it.

    root: folder that torchvision's reader takes. path: the archive or folder, for messages.
    """

    root: Path
    path: Path
    details: dict[str, Detail]


@contextmanager
def official_files(dataset: type[Reader], limit: int) -> Iterator[Copy]:
    """The files that torchvision's `dataset` reads, each with its official MD5: from a folder or archive that
    DHEL_KCL_MIRROR names, or else downloaded.

    limit: most bytes that an archive may unpack to.

    Raises OSError that names what was tried and, for each copy, every file that is missing or wrong, with its MD5 and
    the right one.
    """
    with ExitStack() as stack:
        failures: list[str] = []
        # What lies in scratch/downloads was put there by `obtain`, or by hand to the same end.
        for path in [] if (DOWNLOADS / dataset.filename).is_file() else _candidates(dataset, failures):
            try:
                with ExitStack() as attempt:
                    copy = attempt.enter_context(_checked(dataset, path, limit))
                    stack.enter_context(attempt.pop_all())
                break
            except ValueError as error:
                failures.append(str(error))
        else:
            path = obtain(dataset.filename, [dataset.url], dataset.tgz_md5, failures)
            copy = stack.enter_context(_checked(dataset, path, limit))
        yield copy


def files_of(dataset: type[Reader]) -> dict[str, str]:
    """{name: MD5} of each file that torchvision's `dataset` reads."""
    meta: dict[str, Any] = getattr(dataset, "meta", {})
    listed = {name: md5 for name, md5 in dataset.train_list + dataset.test_list}
    return listed | ({meta["filename"]: meta["md5"]} if meta else {})


def _candidates(dataset: type[Reader], failures: list[str]) -> Iterator[Path]:
    """Archives and folders that may be copies, in the places that DHEL_KCL_MIRROR names; what is none is a failure."""
    stem = dataset.filename.removesuffix(".tar.gz")
    for place in (place for place in mirrors() if isinstance(place, Path)):
        inside = [*(place / f"{stem}{end}" for end in COMPRESSED), place / dataset.base_folder]
        found = [path for path in inside if path.exists()]
        if place.is_file() or any((place / name).is_file() for name in files_of(dataset)):
            found = [place]
        if not found:
            failures.append(f"{inside[0]} does not exist, nor {inside[-1].name} beside it")
        yield from found


@contextmanager
def _checked(dataset: type[Reader], path: Path, limit: int) -> Iterator[Copy]:
    """The copy in an archive or a folder. Raises ValueError naming every file that is not the official one."""
    with ExitStack() as stack:
        sums = {} if path.is_dir() else {path.name: md5_of(path)}
        kind = FOLDER if not sums else OFFICIAL if sums[path.name] == dataset.tgz_md5 else REPACKED
        source = path if path.is_dir() else stack.enter_context(unpacked(path, limit))
        official, there = files_of(dataset), {file.name: file for file in source.rglob("*") if file.is_file()}
        if not there.keys() & official.keys():
            raise ValueError(f"{path} holds none of the files {', '.join(official)}")
        if faults := [fault for name, md5 in official.items() if (fault := _fault(there.get(name), md5, name))]:
            raise ValueError(f"{path}: {'; '.join(faults)}")
        root = stack.enter_context(workspace(f"{dataset.base_folder}.official"))
        (root / dataset.base_folder).mkdir()
        for name in official:
            (root / dataset.base_folder / name).symlink_to(there[name].absolute())
        yield Copy(root, path, {"copy": kind, "md5": sums | official})


def _fault(path: Path | None, md5: str, name: str) -> str:
    if path is None:
        return f"{name} is missing (its MD5 is {md5})"
    found = md5_of(path)
    return "" if found == md5 else f"{name} has the MD5 {found}, not {md5}"
