import io
import shutil

import pandas as pd
import pytest

from dhel_kcl import steps
from dhel_kcl.evidence.tidy import CONFIGURATION
from dhel_kcl.steps.compare import committed_runs, compare, selected, shown
from dhel_kcl.study.suite import Suite
from tests.pipeline import ROOT, git


def of_dhel(seeds=5, parameters="t=1", **means):
    """What `selected` gives for one setting."""
    index = pd.MultiIndex.from_tuples([("d", "losses", "dhel", 16)], names=CONFIGURATION)
    return pd.DataFrame([means | {"seeds": seeds, "parameters": parameters}], index=index)


def test_comparison_reports_what_is_beyond_its_tolerance():
    committed = of_dhel(test_accuracy=90.0)
    found = compare(committed, of_dhel(test_accuracy=91.0))
    assert found.beyond == []
    assert found.lines() == [
        "seeds: largest difference 0, tolerance 0",
        "test_accuracy: largest difference 1, tolerance 2",
    ]
    found = compare(committed, of_dhel(test_accuracy=95.0, seeds=4))
    assert sorted(line.split(":")[0] for line in found.beyond) == [
        "d.losses.dhel.M16.seeds",
        "d.losses.dhel.M16.test_accuracy",
    ]
    assert compare(committed, committed.iloc[:0]).beyond == ["d.losses.dhel.M16: only in one of the two"]
    assert compare(committed, of_dhel()).beyond == ["d.losses.dhel.M16.test_accuracy: only in one of the two"]


def test_another_selected_setting_is_compared_by_its_accuracy_alone():
    runs = (
        "dataset,section,method,batch_size,selected,parameters\nd,losses,dhel,16,True,t=1\nd,losses,dhel,16,False,t=2\n"
    )
    runs += "d,floors,pixels,64,True,\n"
    settings = selected(pd.read_csv(io.StringIO(runs)))
    assert settings.parameters.dropna().to_dict() == {("d", "losses", "dhel", 16): "t=1"}
    assert settings.seeds.tolist() == [1, 1]
    before, now = (of_dhel(test_accuracy=90.0, z_effective_rank=rank) for rank in (20.0, 40.0))
    assert compare(before, now).beyond == ["d.losses.dhel.M16.z_effective_rank: 20 committed, 40 now"]
    found = compare(before, now.assign(parameters="t=2"))
    assert found.beyond == []
    assert found.lines() == [
        "seeds: largest difference 0, tolerance 0",
        "test_accuracy: largest difference 0, tolerance 2",
        "d.losses.dhel.M16: t=1 selected before, t=2 now",
    ]


def test_every_point_of_the_causes_is_compared():
    committed = selected(pd.read_csv(ROOT / "results/digits_causes/runs.csv"))
    suite = Suite.load(ROOT, "digits_causes")
    assert len(committed) == len({(run.method, run.setting.parameters) for run in suite.runs})
    assert committed.seeds.sum() == len(suite.runs)
    rerun = committed.copy()
    rerun.iloc[3, rerun.columns.get_loc("test_accuracy")] += 3
    (beyond,) = compare(committed, rerun).beyond
    assert beyond.startswith("digits.causes.simclr temperature=")
    assert ".M64.test_accuracy: " in beyond


def test_what_is_not_in_git_is_named_with_what_is_missing(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text("dataset\n", encoding="utf-8")
    lacking = "an archive of the sources lacks: clone them"
    with pytest.raises(ValueError, match=rf"runs.csv is not in HEAD: .*not a git repository(.|\n)*{lacking}"):
        shown(path, "HEAD")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "commit", "--quiet", "--allow-empty", "--message", "nothing")
    with pytest.raises(ValueError, match=r"runs.csv is not in HEAD: .*path 'runs.csv' exists on disk, but not in"):
        shown(path, "HEAD")


def test_a_table_of_old_without_what_is_compared_is_named(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text("dataset,method,batch_size\ndigits,dhel,16\n", encoding="utf-8")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "old")
    lacking = r"runs\.csv: in HEAD it has no column 'section'; name a later commit with --revision$"
    with pytest.raises(ValueError, match=lacking):
        committed_runs(path, "HEAD")
    columns = "dataset,section,method,batch_size,selected,parameters"
    path.write_text(f"{columns}\nd,losses,dhel,16,True,t=1\n", encoding="utf-8")
    git(tmp_path, "commit", "--quiet", "--all", "--message", "new")
    assert len(selected(committed_runs(path, "HEAD"))) == 1
    with pytest.raises(ValueError, match="in HEAD~ it has no column 'section'"):
        committed_runs(path, "HEAD~")


def test_a_reruns_table_without_what_is_compared_is_named(tmp_path, call):
    shutil.copytree(ROOT / "config", tmp_path / "config")
    path = tmp_path / "results/digits/runs.csv"
    with pytest.raises(FileNotFoundError, match=r"runs\.csv is missing; run `snakemake --cores all digits` to make it"):
        call(steps.compare, "--root", tmp_path, "--suite", "digits")
    path.parent.mkdir(parents=True)
    path.write_text("dataset,method\nd,dhel\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"runs\.csv has no column 'section', as another version writes it; run "):
        call(steps.compare, "--root", tmp_path, "--suite", "digits")
