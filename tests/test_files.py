import csv

import pytest

from dhel_kcl.files import atomic, read_json, write_json, write_rows


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
