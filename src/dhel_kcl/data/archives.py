"""What is inside archives and compressed files: read within limits, without trusting whoever packed them.

Names and kinds of members are the business of `tarfile`'s data filter (PEP 706): nothing is written outside the folder,
and devices are refused. How much comes out of an archive is bounded here, and links are left out altogether.
"""

import bz2
import gzip
import io
import lzma
import shutil
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from dhel_kcl.data.download import DOWNLOADS

MAX_MEMBERS = 100
"""Files and folders in an archive; the official ones have at most 10."""
CHUNK = 1 << 20
COMPRESSED = (".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".tar")
"""How the names of archives end; what is inside decides how they are read."""
OPENERS: dict[bytes, Callable[[Path], IO[bytes] | gzip.GzipFile]] = {
    b"\x1f\x8b": gzip.open,
    b"\xfd7zXZ": lzma.open,
    b"BZh": bz2.open,
}
"""By the first bytes of a compressed file."""


@contextmanager
def workspace(name: str) -> Iterator[Path]:
    """A new folder scratch/downloads/`name`, deleted at the end and, after a kill, at the next start."""
    folder = DOWNLOADS / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def opening(*paths: Path) -> Iterator[None]:
    """Give whatever a reader raises on damaged content as a ValueError that names the file(s).

    Errors of the operating system (a full disk, a missing permission) pass: they name their file.
    """
    try:
        yield
    except Exception as error:  # readers of archives and arrays raise many kinds
        if isinstance(error, OSError) and error.errno is not None:
            raise
        names = " or ".join(map(str, paths))
        raise ValueError(f"{names} cannot be read: {error or type(error).__name__}") from error


@contextmanager
def unpacked(archive: Path, limit: int) -> Iterator[Path]:
    """Folder with the files of a tar archive, compressed by gzip, xz, bzip2 or not, deleted at the end.

    Raises ValueError naming the archive for members that the data filter refuses, for links, for more than `limit`
    bytes or MAX_MEMBERS members, and for damage. Memory stays below `limit`.
    """
    with workspace(f"{archive.name}.unpacked") as folder:
        with opening(archive), _decompressed(archive) as stream:
            # The limit holds for all that is decompressed: a header can be a bomb too.
            overhead = 4 * tarfile.RECORDSIZE + 4 * tarfile.BLOCKSIZE * MAX_MEMBERS
            with tarfile.open(fileobj=_Limited(stream, limit + overhead), mode="r|", bufsize=CHUNK) as tar:
                _extract(tar, folder, limit)
        yield folder


def read_bounded(path: Path, limit: int) -> bytes:
    """Content of a file, decompressed if its name ends in .gz. Raises ValueError above `limit` bytes or if damaged."""
    with opening(path), gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
        content = stream.read(limit + 1)
        if len(content) > limit:
            raise ValueError(f"it holds more than {limit} bytes")
        return content


def _decompressed(path: Path) -> IO[bytes] | gzip.GzipFile:
    with path.open("rb") as file:
        start = file.read(8)
    opener = next((opener for magic, opener in OPENERS.items() if start.startswith(magic)), None)
    return opener(path) if opener else path.open("rb")


def _extract(tar: tarfile.TarFile, folder: Path, limit: int) -> None:
    size = 0
    for count, member in enumerate(tar, start=1):
        size += abs(member.size)  # a sparse file's is the one that it unpacks to
        if count > MAX_MEMBERS:
            raise ValueError(f"it has more than {MAX_MEMBERS} members")
        if size > limit:
            raise ValueError(f"it holds more than {limit} bytes")
        tar.extract(member, folder, filter=_without_links)


def _without_links(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo | None:
    """The data filter, which chains of links can lead astray before Python 3.11.13, 3.12.11 and 3.13.4 (CVE-2025-4517).

    No data set needs one.
    """
    if member.islnk() or member.issym():
        raise ValueError(f"its member {member.name!r} is a link")
    return tarfile.data_filter(member, folder)


class _Limited(io.RawIOBase):
    """Reader that stops with an error after `limit` bytes."""

    def __init__(self, stream: IO[bytes] | gzip.GzipFile, limit: int) -> None:
        self.stream, self.limit, self.left = stream, limit, limit

    def readinto(self, buffer: Any) -> int:
        content = self.stream.read(len(buffer))
        self.left -= len(content)
        if self.left < 0:
            raise ValueError(f"it holds more than {self.limit} bytes")
        buffer[: len(content)] = content
        return len(content)
