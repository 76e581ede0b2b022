"""Files of public data sets: found or downloaded, and checked.

The environment variable DHEL_KCL_MIRROR replaces the official addresses by one or several places, separated by
commas and tried in order, that hold files of the same names: a folder (a path or file://...), whose files are used
where they lie, or a web address. `copies` looks into all folders first, and takes other copies too. Downloads go to
scratch/downloads below the working folder, where a file put there by hand is taken as well.

Nothing has its final name before its checksum matched. The official checksums are MD5 sums: nobody can make another
file with a given MD5, which is what matters here (only two new files with the same one).
"""

import hashlib
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit
from urllib.request import url2pathname

import requests
import urllib3
from tqdm import tqdm

from dhel_kcl.files import require_space

MIRROR = "DHEL_KCL_MIRROR"
DOWNLOADS = Path("scratch/downloads")

TIMEOUT = 30.0
"""Seconds without a byte after which a server counts as stalled."""
RETRIES = 5
"""Further attempts after one that brought less than PROGRESS bytes."""
PROGRESS = 1 << 20
BACKOFF = 1.0
"""Seconds before the first retry, doubled at each further one."""
MAX_REDIRECTS = 5
CHUNK = 1 << 20
RETRIED_STATUS = {408, 425, 429, 500, 502, 503, 504}


class SourceError(Exception):
    """A source that cannot give the file; the next one is tried."""


class _Interrupted(Exception):
    """An attempt that failed in a way that may pass."""


def mirrors() -> list[Path | str]:
    """What DHEL_KCL_MIRROR names: folders as paths, web addresses as text. Raises ValueError for another scheme."""
    found: list[Path | str] = []
    for entry in filter(None, (part.strip() for part in os.environ.get(MIRROR, "").split(","))):
        scheme = entry.partition("://")[0].lower() if "://" in entry else "folder"
        if scheme in ("http", "https"):
            found.append(entry.rstrip("/"))
        elif scheme == "file":
            found.append(Path(url2pathname(urlsplit(entry).path)))
        elif scheme == "folder":
            found.append(Path(entry).expanduser())
        else:
            raise ValueError(f"{MIRROR}: {entry!r} is neither a folder nor a file://, http:// or https:// address")
    return found


def in_mirror_folder(*names: str) -> Path | None:
    """The first file of one of these names in a folder that DHEL_KCL_MIRROR names, or None."""
    paths = (folder / name for folder in mirrors() if isinstance(folder, Path) for name in names)
    return next((path for path in paths if path.is_file()), None)


def obtain(name: str, urls: Sequence[str], md5: str, failed: Sequence[str] | None = None) -> Path:
    """Path of the file `name`, whose MD5 is `md5`: kept from earlier, in a mirror's folder, or downloaded.

    Args:
        name: file name, the same on all mirrors.
        urls: official addresses, tried in order unless DHEL_KCL_MIRROR is set.
        failed: what was wrong with what lies in the mirrors' folders, if the caller has been there; they are then left
            out.

    Raises ValueError for a file in scratch/downloads that has another MD5 (it is left alone), and OSError that names
    every source tried, what happened there, and the remedy; OSError also if the disk is full.
    """
    kept = DOWNLOADS / name
    if kept.is_file():
        if (found := md5_of(kept)) != md5:
            raise ValueError(f"{kept} has the MD5 {found}, not {md5}: move it away and run again to download the file")
        return kept
    places, failures = mirrors(), list(failed or ())
    sources = [place / name if isinstance(place, Path) else f"{place}/{name}" for place in places]
    if failed is not None:
        sources = [source for source in sources if not isinstance(source, Path)]
    for source in sources if places else urls:
        try:
            if isinstance(source, Path):
                return _local(source, md5)
            _download(source, kept, md5)
            return kept
        except SourceError as error:
            failures.append(str(error))
    raise OSError(
        f"cannot get {name}: {'; '.join(failures)}. Put the file with the MD5 {md5} into a folder and set "
        f"{MIRROR} to that folder, or set it to a web address that has the file"
    )


def _local(path: Path, md5: str) -> Path:
    if not path.is_file():
        raise SourceError(f"{path} does not exist")
    if (found := md5_of(path)) != md5:
        raise SourceError(f"{path} has the MD5 {found}, not {md5}")
    return path


def _download(url: str, path: Path, md5: str) -> None:
    """Download `url` to `path` by way of `path`.partial, which an interrupted download leaves to go on from.

    Raises SourceError if the server does not deliver the file and OSError if it cannot be written.
    """
    partial = path.with_name(f"{path.name}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    print(f"downloading {url}", file=sys.stderr)
    failures, restarted = 0, False
    while True:
        before = _size(partial)
        try:
            resumed = _transfer(url, partial)
        except _Interrupted as error:
            failures = 1 if _size(partial) - before >= PROGRESS else failures + 1
            if failures > RETRIES:
                kept = f" (run again to go on from {partial})" if partial.exists() else ""
                raise SourceError(f"{url}: {error}, {failures} times{kept}") from error
            pause = BACKOFF * 2 ** (failures - 1)
            print(f"{url}: {error}; next attempt in {pause:g} s", file=sys.stderr)
            time.sleep(pause)
            continue
        if (found := md5_of(partial)) == md5:
            os.replace(partial, path)
            return
        partial.unlink()
        if restarted or not resumed:
            raise SourceError(f"{url} has the MD5 {found}, not {md5}")
        restarted = True
        print(f"{url}: the resumed file has a wrong MD5; starting over", file=sys.stderr)


def _transfer(url: str, partial: Path) -> bool:
    """One attempt at completing `partial`; True if it went on from bytes that were there.

    Raises _Interrupted for what may pass, SourceError for what will not, OSError if `partial` cannot be written.
    """
    have = _size(partial)
    # The bytes as they lie on the server: some would otherwise unpack a .gz on the way.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        with requests.Session() as session:
            session.max_redirects = MAX_REDIRECTS
            with session.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
                status = f"HTTP status {response.status_code} {response.reason}"
                if response.status_code in RETRIED_STATUS:
                    raise _Interrupted(status)
                if response.status_code == 416 and have:
                    return True  # nothing after these bytes: the checksum tells whether they are the file
                if response.status_code not in (200, 206):
                    raise SourceError(f"{url}: {status}")
                return _receive(response, partial)
    except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
        raise _Interrupted(f"no answer for {TIMEOUT:g} s") from error
    except requests.TooManyRedirects as error:
        raise SourceError(f"{url}: redirected more than {MAX_REDIRECTS} times") from error
    except requests.exceptions.SSLError as error:
        raise SourceError(f"{url}: {error}") from error
    except (requests.ConnectionError, urllib3.exceptions.HTTPError) as error:
        raise _Interrupted(f"the connection failed ({_first_cause(error)})") from error
    except (requests.RequestException, ValueError) as error:
        raise SourceError(f"{url}: {error}") from error


def _receive(response: requests.Response, partial: Path) -> bool:
    """Write the body to `partial`, after what is there if the server answered the range."""
    resumed = response.status_code == 206
    have = _size(partial) if resumed else 0
    length = int(response.headers.get("Content-Length", 0))
    require_space(partial, length)
    with (
        partial.open("ab" if resumed else "wb", buffering=0) as file,
        tqdm(
            desc=partial.stem,
            initial=have,
            total=have + length if length else None,
            unit="B",
            unit_scale=True,
            mininterval=1,
        ) as progress,
    ):
        # read1 gives what has arrived: stream() would wait for a whole chunk, and lose it in a stall.
        while chunk := response.raw.read1(CHUNK, decode_content=False):
            _write(file, chunk, partial)
            progress.update(len(chunk))
        os.fsync(file.fileno())
    return resumed


def _first_cause(error: BaseException) -> BaseException:
    """What the system or the protocol reported, below the libraries' wrapping."""
    while error.__context__:
        error = error.__context__
    return error


def _write(file: IO[bytes], chunk: bytes, path: Path) -> None:
    left = memoryview(chunk)
    try:
        while left:
            left = left[file.write(left) :]
    except OSError as error:
        message = f"cannot write ({error.strerror}); what has arrived is kept, make room and run again to go on"
        raise OSError(error.errno, message, str(path)) from error


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def md5_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
