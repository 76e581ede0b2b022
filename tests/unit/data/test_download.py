import errno
import gzip
import hashlib
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import namedtuple
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from dhel_kcl.data import download

CONTENT = bytes(range(256)) * 400
MD5 = hashlib.md5(CONTENT).hexdigest()
KEPT = Path("scratch/downloads/file.bin")
PARTIAL = Path("scratch/downloads/file.bin.partial")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An empty working folder, no mirror, and no waiting before a retry; an answer may be late on a busy machine."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(download.MIRROR, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(download, "BACKOFF", 0.01)
    return tmp_path


class Server(ThreadingHTTPServer):
    """Loopback server; `answers` are used up one a request, the last one for good. `ranges` are the ones asked for.

    Answers that stall wait for `end`.
    """

    daemon_threads = True

    def __init__(self, *answers):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers, self.ranges, self.end = list(answers), [], threading.Event()
        self.address = f"http://127.0.0.1:{self.server_port}"
        self.url = f"{self.address}/file.bin"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.ranges.append(self.headers.get("Range"))
        answers = self.server.answers
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        answer(self)
        self.close_connection = True

    def log_message(self, *arguments):
        pass

    def reply(self, status, body=b"", length=None, **headers):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def serve():
    servers = []

    def start(*answers):
        servers.append(Server(*answers))
        return servers[-1]

    yield start
    for server in servers:
        server.end.set()
        server.shutdown()
        server.server_close()


def whole(handler, content=CONTENT):
    """The file, or its asked range."""
    start = int((handler.headers.get("Range") or "bytes=0-").removeprefix("bytes=").removesuffix("-"))
    if start >= len(content):
        handler.reply(416)
    elif start:
        handler.reply(206, content[start:], Content_Range=f"bytes {start}-{len(content) - 1}/{len(content)}")
    else:
        handler.reply(200, content)


def status(code, **headers):
    return lambda handler: handler.reply(code, **headers)


def truncated(handler):
    handler.reply(200, CONTENT[:5000], length=len(CONTENT))


def stalled(handler):
    handler.server.end.wait()


def stalled_midway(handler):
    truncated(handler)
    stalled(handler)


def obtain(*urls):
    return download.obtain("file.bin", urls, MD5)


def failure(*urls):
    with pytest.raises(OSError, match=r"cannot get file\.bin") as error:
        obtain(*urls)
    assert download.MIRROR in str(error.value)  # the remedy
    assert not KEPT.exists()
    return str(error.value)


def test_a_file_is_downloaded_once(serve):
    server = serve(whole)
    assert obtain(server.url) == KEPT
    assert KEPT.read_bytes() == CONTENT
    assert not PARTIAL.exists()
    assert obtain(server.url) == KEPT
    assert len(server.ranges) == 1


@pytest.mark.parametrize(
    ("fault", "ranges"),
    [
        (truncated, [None, "bytes=5000-"]),
        (stalled_midway, [None, "bytes=5000-"]),
        (stalled, [None, None]),
        (status(500), [None, None]),
        (status(503), [None, None]),
        (lambda handler: None, [None, None]),  # hangs up
    ],
    ids=["truncated", "stalled midway", "stalled", "500", "503", "hung up"],
)
def test_a_passing_fault_is_retried_from_where_it_stopped(serve, monkeypatch, fault, ranges):
    if fault in (stalled, stalled_midway):
        monkeypatch.setattr(download, "TIMEOUT", 2)
    server = serve(fault, whole)
    assert obtain(server.url).read_bytes() == CONTENT
    assert server.ranges == ranges


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (status(500), "HTTP status 500 Internal Server Error, 6 times. Put"),
        (truncated, "the connection failed (IncompleteRead(5000 bytes read, 97400 more expected)), 6 times (run again"),
        (stalled, "no answer for 0.05 s, 6 times"),
    ],
    ids=["500", "truncated", "stalled"],
)
def test_a_lasting_fault_ends_after_some_retries(serve, monkeypatch, fault, message):
    if fault is stalled:
        monkeypatch.setattr(download, "TIMEOUT", 0.05)
    server = serve(fault)
    text = failure(server.url)
    assert f"{server.url}: {message}" in text
    assert len(server.ranges) == 1 + download.RETRIES


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (status(404), "HTTP status 404 Not Found"),
        (status(403), "HTTP status 403 Forbidden"),
        (status(302, Location="file:///etc/passwd"), "No connection adapters were found for 'file:///etc/passwd'"),
        (lambda handler: handler.reply(200, CONTENT, length="many"), "many"),
    ],
    ids=["404", "403", "redirect to a file", "nonsense length"],
)
def test_a_final_fault_is_not_retried(serve, fault, message):
    server = serve(fault)
    text = failure(server.url)
    assert server.url in text
    assert message in text
    assert len(server.ranges) == 1


def test_a_redirect_loop_ends(serve):
    server = serve(status(302, Location="/file.bin"))
    assert f"{server.url}: redirected more than 5 times" in failure(server.url)
    assert len(server.ranges) == 6


def test_a_redirect_is_followed(serve):
    server = serve(status(302, Location="/elsewhere"), whole)
    assert obtain(server.url).read_bytes() == CONTENT


def test_no_server_is_named():
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}/file.bin"
    assert f"{url}: the connection failed ([Errno {errno.ECONNREFUSED}] Connection refused)" in failure(url)


def test_a_wrong_checksum_names_both_and_leaves_nothing(serve):
    other = b"other content"
    server = serve(lambda handler: whole(handler, other))
    text = failure(server.url)
    assert f"{server.url} has the MD5 {hashlib.md5(other).hexdigest()}, not {MD5}" in text
    assert not PARTIAL.exists()
    assert len(server.ranges) == 1


def test_addresses_are_tried_in_order(serve):
    bad, good, unused = serve(status(404)), serve(whole), serve(whole)
    assert obtain(bad.url, good.url, unused.url).read_bytes() == CONTENT
    assert (len(bad.ranges), len(good.ranges), len(unused.ranges)) == (1, 1, 0)


@pytest.mark.parametrize(
    ("left", "answers", "ranges"),
    [
        (CONTENT[:7000], [whole], ["bytes=7000-"]),
        (CONTENT[:7000], [lambda handler: handler.reply(200, CONTENT)], ["bytes=7000-"]),
        (CONTENT, [whole], ["bytes=102400-"]),
        (b"x" * 7000, [whole], ["bytes=7000-", None]),
        (b"x" * 200_000, [whole], ["bytes=200000-", None]),
        (
            CONTENT[:7000],
            [lambda handler: handler.reply(206, CONTENT[9:], Content_Range="bytes 9-102399/102400"), whole],
            ["bytes=7000-", None],
        ),
    ],
    ids=["resumed", "range ignored", "complete", "other content", "too long", "another range"],
)
def test_what_a_killed_download_left_is_used_if_it_is_right(serve, left, answers, ranges):
    PARTIAL.parent.mkdir(parents=True)
    PARTIAL.write_bytes(left)
    server = serve(*answers)
    assert obtain(server.url).read_bytes() == CONTENT
    assert server.ranges == ranges
    assert not PARTIAL.exists()


def test_wrong_content_sent_in_pieces_ends(serve):
    def half(handler):
        handler.reply(200, b"x" * 5000, length=6000)

    def rest(handler):
        handler.reply(206, b"x" * 1000, Content_Range="bytes 5000-5999/6000")

    server = serve(half, rest, half, rest)
    assert "has the MD5" in failure(server.url)
    assert len(server.ranges) == 4


def test_a_killed_process_leaves_what_the_next_one_goes_on_from(serve):
    server = serve(stalled_midway, whole)
    code = f"from dhel_kcl.data import download; download.obtain('file.bin', [{server.url!r}], {MD5!r})"
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    while not PARTIAL.exists() or PARTIAL.stat().st_size < 5000:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not KEPT.exists()
    assert obtain(server.url).read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=5000-"]


def test_a_packed_file_stays_packed(serve):
    packed = gzip.compress(CONTENT)
    server = serve(lambda handler: handler.reply(200, packed, Content_Encoding="gzip"))
    path = download.obtain("file.bin", [server.url], hashlib.md5(packed).hexdigest())
    assert path.read_bytes() == packed


def test_a_folder_is_used_in_place_and_the_web_left_alone(here, serve, monkeypatch):
    folder = here / "données déjà là"
    folder.mkdir()
    (folder / "file.bin").write_bytes(CONTENT)
    official = serve(whole)
    for mirror in (str(folder), folder.as_uri(), f" {here / 'none'} ,{folder}"):
        monkeypatch.setenv(download.MIRROR, mirror)
        assert obtain(official.url) == folder / "file.bin"
    assert official.ranges == []
    assert not KEPT.exists()


def test_a_mirror_replaces_the_official_address(serve, monkeypatch):
    official, mirror = serve(whole), serve(whole)
    monkeypatch.setenv(download.MIRROR, f"{mirror.address}/")
    assert obtain(official.url).read_bytes() == CONTENT
    assert (len(official.ranges), len(mirror.ranges)) == (0, 1)


def test_only_the_configured_address_is_contacted(serve, monkeypatch):
    server, contacted = serve(whole), set()
    connect = socket.socket.connect

    def record(self, address):
        contacted.add(address)
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", record)
    monkeypatch.setenv(download.MIRROR, server.address)
    obtain("https://official.invalid/file.bin")
    assert contacted == {("127.0.0.1", server.server_port)}


def test_a_file_of_the_user_with_a_wrong_checksum_is_named_and_kept(here, monkeypatch):
    mine = here / "mine/file.bin"
    mine.parent.mkdir()
    mine.write_bytes(b"mine")
    monkeypatch.setenv(download.MIRROR, f"{mine.parent}, {here / 'none'}")
    text = failure("http://127.0.0.1:1/file.bin")
    assert f"{mine} has the MD5 {hashlib.md5(b'mine').hexdigest()}, not {MD5}" in text
    assert f"{here / 'none/file.bin'} does not exist" in text
    assert mine.read_bytes() == b"mine"


def test_a_file_put_among_the_downloads_is_taken_or_named_and_kept():
    KEPT.parent.mkdir(parents=True)
    KEPT.write_bytes(CONTENT)
    assert obtain() == KEPT
    KEPT.write_bytes(b"mine")
    with pytest.raises(ValueError, match=rf"{KEPT} has the MD5 {hashlib.md5(b'mine').hexdigest()}, not {MD5}: move"):
        obtain()
    assert KEPT.read_bytes() == b"mine"


@pytest.mark.parametrize("mirror", ["ftp://127.0.0.1/", "javascript://x", "s3://bucket"])
def test_other_schemes_are_refused(monkeypatch, mirror):
    monkeypatch.setenv(download.MIRROR, mirror)
    with pytest.raises(ValueError, match=f"{download.MIRROR}: '{mirror}' is neither a folder nor a file://, http://"):
        obtain()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_disk_is_named_and_the_download_goes_on_later(serve, monkeypatch):
    server, write = serve(whole), download._write

    def full(file, chunk, path):
        write(file, chunk[:5000], path)
        with open("/dev/full", "wb", buffering=0) as full_disk:  # the system's own ENOSPC
            write(full_disk, chunk, path)

    with monkeypatch.context() as patch:
        patch.setattr(download, "_write", full)
        with pytest.raises(OSError, match=r"cannot write .*make room and run again") as error:
            obtain(server.url)
    assert error.value.errno == errno.ENOSPC
    assert str(PARTIAL) in str(error.value)
    assert not KEPT.exists()
    assert obtain(server.url).read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=5000-"]


def test_too_small_a_disk_is_seen_before_anything_is_written(serve, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(10**6, 10**6 - 1000, 1000))
    with pytest.raises(OSError, match=r"0\.00 GB of disk space are needed and 0\.00 GB are free") as error:
        obtain(serve(whole).url)
    assert error.value.errno == errno.ENOSPC
    assert not PARTIAL.exists()
