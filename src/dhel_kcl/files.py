"""Files that are either complete or absent: written beside their final name, flushed, then renamed."""

import csv
import errno
import fcntl
import glob
import hashlib
import io
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


@contextmanager
def atomic(path: Path) -> Iterator[IO[bytes]]:
    """Binary file that appears under `path` only after the block ended without an error.

    What a killed process left of the same file is removed. Raises OSError that names `path`, with the remedy where
    the disk is full.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
        leftover.unlink(missing_ok=True)
    # Not tempfile's, which only the user may read: some disks refuse to change that, and the umask is to decide it.
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        with partial.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException as error:
        partial.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno and not error.filename:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            remedy = "; free some space and run the same command again" if full else ""
            raise OSError(error.errno, f"{error.strerror}{remedy}", str(path)) from error
        raise


class DamagedError(ValueError):
    """A file that cannot be what it should be; the message names it and the remedy."""


@contextmanager
def reading(path: Path, remedy: str) -> Iterator[None]:
    """Turns whatever a damaged file or folder makes its reader raise into DamagedError."""
    try:
        yield
    except DamagedError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.filename:  # missing, or not readable
            raise
        cause = " ".join(f"{type(error).__name__}: {error}".split())
        raise DamagedError(f"{path} is damaged ({cause}); {remedy}") from error


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Raises BlockingIOError while another process is in this block for `folder`; the lock dies with its process."""
    with (folder / "lock").open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            message = "another process is at work on this run; wait until it ends, or end it"
            raise BlockingIOError(error.errno, message, str(folder)) from None
        except OSError:  # a file system without locks
            pass
        yield


def make_writable(folder: Path) -> None:
    """Create `folder`, and raise OSError naming it now rather than after hours if it cannot be written to."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise type(error)(error.errno, f"cannot write to the folder ({error.strerror})", str(folder)) from error


def require_space(folder: Path, needed: int) -> None:
    """Raise OSError now rather than after hours if the disk of `folder` has less than `needed` bytes free."""
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        message = f"{needed / 1e9:.2f} GB of disk space are needed and {free / 1e9:.2f} GB are free"
        raise OSError(errno.ENOSPC, message, str(folder))


def write_bytes(path: Path, content: bytes) -> None:
    with atomic(path) as file:
        file.write(content)


def write_text(path: Path, content: str) -> None:
    write_bytes(path, content.encode())


def write_json(path: Path, content: Any) -> None:
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """CSV with the keys of the first row as header; floats in full precision, None as an empty cell."""
    rows = list(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def read_text(path: Path) -> str:
    """A text that someone wrote by hand, in UTF-8 with or without a byte-order mark. Raises ValueError that names the
    file, with the remedy, if it is in another encoding."""
    content = Path(path).read_bytes()
    if b"\0" in content:  # half of the bytes, where each character takes two
        raise ValueError(f"{path}: UTF-16, or no text; save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not UTF-8; save it as UTF-8") from None


def read_json(path: Path) -> Any:
    """Content of a JSON file. Raises DamagedError if it is not JSON."""
    with reading(path, "delete it and run again to rebuild it"):
        return json.loads(read_text(path))


def sha256(path: Path) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
