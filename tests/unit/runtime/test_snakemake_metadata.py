"""The scan of what Snakemake recorded, against what Snakemake does."""

import os
import subprocess
import sys
from base64 import urlsafe_b64decode

import pytest

from dhel_kcl.runtime import snakemake_metadata

pytestmark = pytest.mark.slow  # they start Snakemake

LONG = "results/" + "a-long-name-härte/" * 20 + "file.txt"
"""Longer than one component of a record's path."""
SNAKEFILE = """
rule all:
    input: "short.txt", "{LONG}"
rule short:
    output: "short.txt"
    shell: "echo > {{output}}"
rule long:
    output: "{LONG}"
    shell: "echo > {{output:q}}"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("records")
    (folder / "Snakefile").write_text(SNAKEFILE.format(LONG=LONG), encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--quiet"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder


def test_outputs_of_snakemake_have_records_where_they_are_looked_for(folder, monkeypatch):
    monkeypatch.chdir(folder)
    longest = os.pathconf(folder, "PC_NAME_MAX")
    assert len(snakemake_metadata.record_of(LONG, longest).parts) > 2
    assert snakemake_metadata.unrecorded(["short.txt", LONG]) == []


def test_names_are_cut_as_the_disk_needs_it():
    """An encrypted home has names of 143 letters at most."""
    for longest in (143, 255):
        *first, last = snakemake_metadata.record_of(LONG, longest).parts
        assert {len(part) for part in first} == {longest}
        assert len(last) <= longest - 1
        assert urlsafe_b64decode("".join(part[1:] for part in first) + last).decode() == LONG


def test_files_without_record_are_found_and_absent_ones_are_not(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "copied.txt").write_text("by hand")
    assert snakemake_metadata.unrecorded(["short.txt", "copied.txt", "absent.txt"]) == ["copied.txt"]


def test_an_interrupted_output_is_known(folder, monkeypatch):
    """Snakemake marks it incomplete, and makes it again by itself."""
    monkeypatch.chdir(folder)
    record = snakemake_metadata.record_of("half.txt", os.pathconf(folder, "PC_NAME_MAX"))
    incomplete = folder / ".snakemake/incomplete" / record
    incomplete.parent.mkdir(parents=True, exist_ok=True)
    incomplete.touch()
    (folder / "half.txt").write_text("half")
    assert snakemake_metadata.unrecorded(["half.txt"]) == []
