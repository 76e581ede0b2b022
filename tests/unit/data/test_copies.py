"""CIFAR and STL-10 from the copies that people have; every file is the official one, or named."""

import io
import pickle
import re
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest

from dhel_kcl.data import copies, download, prepared
from dhel_kcl.data.fetching import source_of
from tests.unit.data.official import CLASSES, MAKERS, md5, publish, tar_gz

NAMES = ["cifar10", "cifar100", "stl10"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An empty working folder, whose folder "mirror" is the only source."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mirror").mkdir()
    monkeypatch.setenv(download.MIRROR, "mirror")


def official(name, monkeypatch):
    """The manifest from the official archive, which then goes away with what was prepared; returns its files too."""
    publish(name, monkeypatch)
    manifest = prepare(name)
    Path("mirror", CLASSES[name].filename).unlink()
    shutil.rmtree("out")
    return manifest, MAKERS[name]()[0]


def prepare(name):
    source_of(name)(Path("out"))
    return prepared.read(Path("out"), verify=True).manifest


def packed(files, mode):
    """A tar archive without an entry for the folder, of another order, as `tar c *` makes it on a Mac."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode, format=tarfile.PAX_FORMAT) as tar:
        for name, content in sorted(files.items(), reverse=True):
            folder, file = name.split("/")
            for path, stored in ((f"./{folder}/._{file}", b"Mac OS X"), (f"./{folder}/{file}", content)):
                info = tarfile.TarInfo(path)
                info.size = len(stored)
                tar.addfile(info, io.BytesIO(stored))
    return buffer.getvalue()


def lay_out(files, folder):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return (folder / name).parent


@pytest.mark.parametrize("name", NAMES)
def test_the_official_archive_is_said_to_be_it(name, monkeypatch):
    publish(name, monkeypatch)
    details = prepare(name).description.details
    assert details["copy"] == copies.OFFICIAL
    assert details["md5"] == {CLASSES[name].filename: CLASSES[name].tgz_md5} | copies.files_of(CLASSES[name])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("end", "mode"), [(".tar.gz", "w:gz"), (".tgz", "w:gz"), (".tar.xz", "w:xz"), (".tar", "w")])
@pytest.mark.parametrize("path_is_given", [False, True])
def test_an_archive_packed_again_gives_the_same(name, end, mode, path_is_given, monkeypatch):
    manifest, files = official(name, monkeypatch)
    archive = Path("mirror", CLASSES[name].filename.replace(".tar.gz", end))
    archive.write_bytes(packed(files, mode))
    if path_is_given:
        archive = archive.rename(f"mirror/my copy{end}")
        monkeypatch.setenv(download.MIRROR, str(archive.absolute()))
    again = prepare(name)
    assert again.sha256 == manifest.sha256
    assert again.description.details["copy"] == copies.REPACKED
    sums = {archive.name: md5(archive.read_bytes())} | copies.files_of(CLASSES[name])
    assert again.description.details["md5"] == sums


def as_they_lie(folder):
    """Everything that reading changes nothing of, by path."""
    found = {path: path.stat() for path in folder.rglob("*")}
    return {path: (each.st_mode, each.st_size, each.st_mtime_ns, each.st_ino) for path, each in found.items()}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("itself", [False, True])
def test_an_unpacked_folder_gives_the_same_and_is_left_alone(name, itself, monkeypatch):
    manifest, files = official(name, monkeypatch)
    folder = lay_out(files, Path("mirror")).absolute()
    (folder / "._data_batch_1").write_bytes(b"Mac OS X")
    (folder / "more").mkdir()
    before = as_they_lie(Path("mirror"))
    if itself:
        monkeypatch.setenv(download.MIRROR, str(folder))
    again = prepare(name)
    assert again.sha256 == manifest.sha256
    assert again.description.details["copy"] == copies.FOLDER
    assert again.description.details["md5"] == copies.files_of(CLASSES[name])
    assert as_they_lie(Path("mirror")) == before
    assert not any(Path("scratch/downloads").iterdir())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", ["archive", "folder"])
def test_wrong_and_missing_files_are_named_with_their_sums(name, form, monkeypatch):
    _, files = official(name, monkeypatch)
    sums = copies.files_of(CLASSES[name])
    (damaged, right), (lost, lost_sum), *_ = sums.items()
    files[f"{CLASSES[name].base_folder}/{damaged}"] += b"x"
    changed = files[f"{CLASSES[name].base_folder}/{damaged}"]
    del files[f"{CLASSES[name].base_folder}/{lost}"]
    if form == "folder":
        place = lay_out(files, Path("mirror"))
    else:
        place = Path("mirror", CLASSES[name].filename)
        place.write_bytes(tar_gz(files))
    message = f"{place}: {damaged} has the MD5 {md5(changed)}, not {right}; {lost} is missing (its MD5 is {lost_sum})."
    with pytest.raises(OSError, match=re.escape(message)) as error:
        prepare(name)
    assert "download=True" not in str(error.value)
    assert f"set {download.MIRROR} to that folder" in str(error.value)
    assert not Path("out").exists()


@pytest.mark.parametrize("name", NAMES)
def test_half_an_archive_and_one_of_other_files_are_named(name, monkeypatch):
    _, files = official(name, monkeypatch)
    archive = Path("mirror", CLASSES[name].filename)
    for content, message in [
        (tar_gz(files)[:-5000], f"{archive} cannot be read: "),
        (
            tar_gz({"other/file": b"1"}),
            f"{archive} holds none of the files {', '.join(copies.files_of(CLASSES[name]))}",
        ),
        (b"<html>404</html>" * 1000, f"{archive} cannot be read: "),
        (b"", f"{archive} cannot be read: "),
    ]:
        archive.write_bytes(content)
        with pytest.raises(OSError, match=re.escape(message)):
            prepare(name)
        assert not Path("out").exists()


def test_a_good_copy_behind_a_bad_one_is_taken(monkeypatch):
    manifest, files = official("cifar10", monkeypatch)
    lay_out(files, Path("good"))
    lay_out(files | {"cifar-10-batches-py/test_batch": b"damaged"}, Path("mirror"))
    monkeypatch.setenv(download.MIRROR, "missing, mirror, good")
    assert prepare("cifar10").sha256 == manifest.sha256


class Malicious:
    """Writes a file when it is unpickled."""

    def __reduce__(self):
        return (Path.touch, (Path("opened").absolute(),))


@pytest.mark.parametrize("file", ["data_batch_1", "test_batch", "batches.meta"])
@pytest.mark.parametrize("form", ["archive", "folder"])
def test_no_pickle_of_any_copy_is_opened_before_its_checksum_matched(file, form, monkeypatch):
    _, files = official("cifar10", monkeypatch)
    evil = files | {f"cifar-10-batches-py/{file}": pickle.dumps(Malicious())}
    if form == "folder":
        lay_out(evil, Path("mirror"))
    else:
        Path("mirror/cifar-10-python.tar.gz").write_bytes(tar_gz(evil))
    with pytest.raises(OSError, match=f"{file} has the MD5"):
        prepare("cifar10")
    assert not Path("opened").exists()
    pickle.loads(evil[f"cifar-10-batches-py/{file}"])
    assert Path("opened").exists()  # it would have worked


def test_labels_are_those_of_the_files(monkeypatch):
    expected = publish("cifar10", monkeypatch)
    prepare("cifar10")
    data = prepared.read(Path("out"))
    np.testing.assert_array_equal(data.labels, np.concatenate([labels for _, labels in expected.values()]))
