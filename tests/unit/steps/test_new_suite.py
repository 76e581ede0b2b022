import re
import shutil
import sys

import pytest

from dhel_kcl.runtime import speed
from dhel_kcl.steps import new_suite
from dhel_kcl.study.suite import Suite
from tests.pipeline import ROOT
from tests.unit.data.photographs import lay_out_photographs


@pytest.fixture
def main(monkeypatch, tmp_path):
    """Runs the step in this process, on a folder with the config; every speed is 1,000 images a second."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "config", "config")
    for kind in (speed.TrainingBenchmark, speed.EmbeddingBenchmark):
        monkeypatch.setattr(kind, "measure", lambda benchmark, place, seconds: 1000.0)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["dhel-kcl new-suite", *arguments])
        new_suite.main()

    return run


def test_a_suite_is_written_with_its_cost(main, tmp_path, capsys):
    lay_out_photographs(tmp_path / "photos", {"": 60})
    main("mine", "--images", "photos", "--size", "32")
    said = capsys.readouterr().out
    assert re.search(
        r"mine\.yaml written: 16 trainings, about \S+ (core|GPU)-hours .*snakemake --cores all mine$", said
    )
    assert "# Cost: 16 trainings, about " in (tmp_path / "config/suites/mine.yaml").read_text()
    assert Suite.load(tmp_path, "mine").settings("mine").size == 32


def test_no_suite_is_written_over_and_none_where_images_do_not_fit(main, tmp_path):
    folder = lay_out_photographs(tmp_path / "photos", {"": 60})
    before = (tmp_path / "config/suites/digits.yaml").read_bytes()
    with pytest.raises(FileExistsError, match=r"digits\.yaml is there already; choose another name, or delete it"):
        main("digits", "--images", "photos")
    assert (tmp_path / "config/suites/digits.yaml").read_bytes() == before
    (folder / "notes.txt").touch()
    with pytest.raises(ValueError, match=r"notes\.txt lies beside class folders"):
        main("mine", "--images", "photos")
    assert not (tmp_path / "config/suites/mine.yaml").exists()


def test_a_suite_that_fails_or_is_interrupted_leaves_no_file(main, tmp_path, monkeypatch):
    """It would stop every other suite, and the same command."""
    lay_out_photographs(tmp_path / "photos", {"": 60})
    with pytest.raises(ValueError, match=r"datasets\.mine\.size: 0 is less than the minimum of 1"):
        main("mine", "--images", "photos", "--size", "0")

    def interrupted(benchmark, place, seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(speed.TrainingBenchmark, "measure", interrupted)
    with pytest.raises(KeyboardInterrupt):
        main("mine", "--images", "photos", "--size", "32")
    assert not (tmp_path / "config/suites/mine.yaml").exists()


def test_a_suite_has_no_rules_name_and_belongs_to_a_repository(main, tmp_path, monkeypatch):
    lay_out_photographs(tmp_path / "photos", {"": 60})
    shutil.copy(ROOT / "Snakefile", tmp_path)
    with pytest.raises(ValueError, match=r"'theory' is taken, as are all, explain_target"):
        main("theory", "--images", "photos")
    monkeypatch.chdir(tmp_path / "photos")
    with pytest.raises(FileNotFoundError, match=r"config\.yaml is not there: run this in the repository's folder, or"):
        main("mine", "--images", ".")
    main("mine", "--images", ".", "--size", "32", "--root", "..")
    assert (tmp_path / "scratch/throughput.json").is_file()
    assert {path.name for path in (tmp_path / "photos").iterdir()} == {"china", "flower"}
