import csv
import errno
import os

import pytest

from dhel_kcl.files import (
    DamagedError,
    atomic,
    exclusive,
    make_writable,
    read_json,
    read_text,
    reading,
    write_json,
    write_rows,
)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    write_json(path, 1)

    def fail():
        with atomic(path) as file:
            file.write(b"half of it")
            raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space"):
        fail()
    assert read_json(path) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_json_with_nan_is_refused(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "file.json", {"loss": float("nan")})
    assert not list(tmp_path.iterdir())


def test_damaged_json_is_named(tmp_path):
    (tmp_path / "file.json").write_text('{"half": ')
    with pytest.raises(ValueError, match=r"file\.json is damaged \(JSONDecodeError"):
        read_json(tmp_path / "file.json")


def test_rows_keep_every_digit_and_leave_none_empty(tmp_path):
    write_rows(tmp_path / "rows.csv", [{"x": 0.1 + 0.2, "y": None}])
    with (tmp_path / "rows.csv").open() as file:
        assert list(csv.reader(file)) == [["x", "y"], ["0.30000000000000004", ""]]


def test_a_write_removes_what_a_killed_one_left_of_the_same_file(tmp_path):
    (tmp_path / ".file.x1y2.partial").write_bytes(b"half of it")
    (tmp_path / ".another.x1y2.partial").write_bytes(b"half of it")
    write_json(tmp_path / "file", 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".another.x1y2.partial", "file"]


def test_a_full_disk_is_named_with_the_file_and_the_remedy(tmp_path):
    def fail():
        with atomic(tmp_path / "file"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match=r"No space left on device; free some space and run .*again: '.*/file'"):
        fail()


def test_a_damaged_file_is_named_once_and_a_missing_one_as_missing(tmp_path):
    message = r"^inner is damaged \(KeyError: 'x'\); delete it$"
    with pytest.raises(DamagedError, match=message), reading("outer", ""), reading("inner", "delete it"):
        {}["x"]
    with pytest.raises(FileNotFoundError), reading("outer", ""):
        read_json(tmp_path / "missing.json")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("größe: 1".encode("utf-16"), "is UTF-16, or no text: save it as UTF-8"),
        ("größe: 1".encode("latin-1"), "is not UTF-8: save it as UTF-8"),
        ("größe: 1".encode(), None),
        ("größe: 1".encode("utf-8-sig"), None),
    ],
)
def test_a_text_in_another_encoding_is_named_with_the_remedy(tmp_path, content, message):
    (tmp_path / "text").write_bytes(content)
    if message is None:
        assert read_text(tmp_path / "text") == "größe: 1"
        return
    with pytest.raises(ValueError, match=f"text {message}$"):
        read_text(tmp_path / "text")


def test_a_folder_is_held_by_one_process_at_a_time(tmp_path):
    message = "another process is at work on this run"
    with exclusive(tmp_path), pytest.raises(BlockingIOError, match=message), exclusive(tmp_path):
        pass
    with exclusive(tmp_path):
        pass


@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077])
def test_who_may_read_a_file_is_up_to_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        write_json(tmp_path / "file", 1)
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_disk_that_refuses_to_change_permissions_can_be_written_to(tmp_path, monkeypatch):
    def refuse(path, *_, **__):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(path))

    for name in ("chmod", "fchmod", "chown", "fchown"):
        monkeypatch.setattr(os, name, refuse)
    write_json(tmp_path / "new/file", 1)
    write_json(tmp_path / "new/file", 2)
    assert read_json(tmp_path / "new/file") == 2
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["file"]
    with exclusive(tmp_path):
        make_writable(tmp_path)
