import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dhel_kcl.data import download
from dhel_kcl.data.catalogue import CATALOGUE
from dhel_kcl.data.fetching import check, fetch, source_of
from dhel_kcl.data.prepared import PARTS, read
from dhel_kcl.data.sources import digits
from dhel_kcl.runtime import cli
from dhel_kcl.steps import fetch as step
from tests.unit.data.official import MAKERS, publish


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An empty working folder, whose folder "mirror" is the only source; archives are small, the disk is large."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mirror").mkdir()
    monkeypatch.setenv(download.MIRROR, str(tmp_path / "mirror"))
    for name in MAKERS:
        parts = {part: 0 for part in PARTS} | {part: len(labels) for part, (_, labels) in MAKERS[name]()[1].items()}
        monkeypatch.setitem(CATALOGUE, name, replace(CATALOGUE[name], disk=0, **parts))
    return tmp_path


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_source_can_be_imported(name):
    assert callable(source_of(name))


def test_an_unknown_data_set_is_told_which_there_are():
    with pytest.raises(ValueError, match="unknown data set 'mnist'; known: digits, fashion_mnist, cifar10, cifar100"):
        source_of("mnist")


@pytest.mark.parametrize("name", MAKERS)
def test_what_is_prepared_is_what_the_catalogue_says(name, monkeypatch):
    publish(name, monkeypatch)
    data = fetch(name, Path("out"))
    np.testing.assert_array_equal(data.images, read(Path("out")).images)
    check(name, data, CATALOGUE[name])


def test_the_official_digits_are_those_of_the_catalogue():
    assert len(fetch("digits", Path("out")).labels) == 1797


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("digits", {"streamed": True}, "streamed False, not True"),
        ("digits", {"channels": 3}, "channels 1, not 3"),
        ("digits", {"side": 28}, "side 8, not 28"),
        ("digits", {"train": 1796}, "train 1797, not 1796"),
        ("digits", {"test": 5}, "test 0, not 5"),
        ("digits", {"classes": 9, "unlabeled": 1}, "classes 10, not 9; unlabeled 0, not 1"),
        ("stl10", {"unlabeled": 8}, "unlabeled 7, not 8"),
    ],
)
def test_what_disagrees_with_the_catalogue_is_named_with_its_remedy(name, change, message, monkeypatch):
    if name in MAKERS:
        publish(name, monkeypatch)
    monkeypatch.setitem(CATALOGUE, name, replace(CATALOGUE[name], **change))
    text = f"{name}: the prepared images have {message} as the catalogue states: correct the entry in data/catalogue.py"
    with pytest.raises(ValueError, match=re.escape(text)):
        fetch(name, Path("out"))


def test_another_name_than_the_catalogues_is_named(monkeypatch):
    monkeypatch.setattr(digits, "DESCRIPTION", replace(digits.DESCRIPTION, name="numbers"))
    with pytest.raises(ValueError, match="digits: the prepared images have name numbers, not digits as the catalogue"):
        fetch("digits", Path("out"))


def test_sizes_that_depend_on_the_user_are_not_checked_but_the_form_is(monkeypatch):
    entry = replace(CATALOGUE["digits"], approximate=True, train=1, test=2, classes=3, side=4, disk=10**18)
    monkeypatch.setitem(CATALOGUE, "digits", entry)
    fetch("digits", Path("out"))
    monkeypatch.setitem(CATALOGUE, "digits", replace(entry, streamed=True))
    with pytest.raises(ValueError, match="streamed False, not True"):
        fetch("digits", Path("out"))


@pytest.mark.parametrize("name", ["digits", *MAKERS])
def test_too_little_space_is_told_before_the_download(name, monkeypatch):
    monkeypatch.setitem(CATALOGUE, name, replace(CATALOGUE[name], disk=10**18))
    with pytest.raises(OSError, match=r"1000000000\.00 GB of disk space are needed"):
        fetch(name, Path("out"))
    assert not Path("out").exists()


@pytest.mark.parametrize("name", MAKERS)
def test_a_missing_archive_ends_in_one_line_with_the_remedy(name, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["fetch", "--dataset", name, "--out", "out"])
    with pytest.raises(SystemExit):
        cli.run(step.main)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: cannot get ")
    assert "does not exist" in line
    assert f"set {download.MIRROR} to that folder" in line


def test_the_step_says_what_is_there(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["fetch", "--dataset", "digits", "--out", "out"])
    step.main()
    assert capsys.readouterr().out == "out: 1797 images of shape (1, 8, 8), 10 classes\n"
