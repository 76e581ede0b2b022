import io

import numpy as np
import pandas as pd
import pytest

from dhel_kcl import combine, compare, table
from dhel_kcl.suite import Suite
from tests.test_config import ROOT


def test_mean_spread_and_n():
    assert table.mean_and_spread(pd.Series([1.0, 2.0, 3.0]), 2) == "2.00 ± 1.00 (n=3)"
    assert table.mean_and_spread(pd.Series([1.0]), 1) == "1.0 (n=1)"
    assert table.mean_and_spread(pd.Series([np.nan]), 1) == "-"


def test_over_seeds_counts_and_averages():
    key = {"dataset": "d", "part": "losses", "method": "m", "batch_size": 16}
    parts = [pd.DataFrame({"space": "z", "index": [1, 2], "value": [1.0, x]}).assign(**key) for x in (0.2, 0.4)]
    result = combine.over_seeds(parts, ["space", "index"], "value")
    assert result["mean"].tolist() == pytest.approx([1.0, 0.3])
    assert result["std"].tolist() == pytest.approx([0.0, np.std([0.2, 0.4], ddof=1)])
    assert result["seeds"].tolist() == [2, 2]


def test_summary_averages_the_selected_runs_only():
    row = {"dataset": "d", "part": "losses", "method": "dhel", "batch_size": 16, "validation_accuracy": 1.0}
    row |= {"z_effective_rank": 2.0, "z_wasserstein_uniformity": 0.1, "z_uniformity": -1.0, "z_alignment": np.nan}
    runs = pd.DataFrame([row | {"selected": s, "test_accuracy": a} for s, a in ((True, 80), (True, 90), (False, 0))])
    entry = combine.summary(runs)["d"]["dhel"]["M16"]
    assert entry["test_accuracy"] == 85
    assert entry["seeds"] == 2
    assert "z_alignment" not in entry


def test_the_digits_suite_runs_what_it_says():
    suite = Suite.load(ROOT, "digits")
    main = [run for run in suite.runs if run.part == "losses"]
    assert len([run for run in main if run.role == "grid"]) == 5 * 3 * 3
    assert len([run for run in main if run.role == "selected"]) == 5 * 3 * 4
    assert {run.seed for run in main if run.role == "selected"} == {1, 2, 3, 4}
    assert {run.method for run in suite.runs if run.part == "floors"} == {"pixels", "random", "supervised"}
    one = next(run for run in main if run.role == "selected")
    assert [r.role for r in suite.candidates(one)] == ["grid"] * 3
    assert {(r.method, r.batch_size) for r in suite.candidates(one)} == {(one.method, one.batch_size)}


def test_swapped_values_change_the_digest_but_comments_do_not(tmp_path):
    import shutil

    for folder in ("config", "workflow/schemas"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    path = tmp_path / "config/suites/smoke.yaml"
    text, before = path.read_text(), Suite.load(tmp_path, "smoke").digest()
    path.write_text("# a comment\n" + text)
    assert Suite.load(tmp_path, "smoke").digest() == before
    path.write_text(text.replace("brightness: 0.4", "brightness: 0.3").replace("momentum: 0.9", "momentum: 0.8"))
    assert Suite.load(tmp_path, "smoke").digest() != before


def test_comparison_reports_what_is_beyond_its_tolerance():
    committed = {"d": {"dhel": {"M16": {"test_accuracy": 90.0, "seeds": 5}}}}
    lines, beyond = compare.compare(committed, {"d": {"dhel": {"M16": {"test_accuracy": 91.0, "seeds": 5}}}})
    assert beyond == []
    assert lines == ["seeds: largest difference 0, tolerance 0", "test_accuracy: largest difference 1, tolerance 2"]
    _, beyond = compare.compare(committed, {"d": {"dhel": {"M16": {"test_accuracy": 95.0, "seeds": 4}}}})
    assert [line.split(":")[0] for line in beyond] == ["d.dhel.M16.seeds", "d.dhel.M16.test_accuracy"]
    _, beyond = compare.compare(committed, {"d": {}})
    assert beyond == ["d.dhel.M16.seeds: only in one of the two", "d.dhel.M16.test_accuracy: only in one of the two"]


def test_another_selected_setting_is_compared_by_its_accuracy_alone():
    runs = "dataset,method,batch_size,selected,parameters\nd,dhel,16,True,t=1\nd,dhel,16,False,t=2\nd,pixels,64,True,\n"
    assert compare.selected(io.StringIO(runs)) == {("d", "dhel", "M16"): "t=1"}
    before, now = ({"d": {"dhel": {"M16": {"test_accuracy": 90.0, "z_effective_rank": x}}}} for x in (20.0, 40.0))
    assert compare.compare(before, now)[1] == ["d.dhel.M16.z_effective_rank: 20 committed, 40 now"]
    lines, beyond = compare.compare(before, now, [("d", "dhel", "M16")])
    assert beyond == []
    assert lines == ["test_accuracy: largest difference 0, tolerance 2"]


def test_latex_escapes_what_latex_would_read():
    text = table.latex(pd.DataFrame({"accuracy (%)": ["90.0 ± 1.0"], "selected": ["form=sum_a"]}))
    assert r"accuracy (\%)" in text
    assert r"90.0 $\pm$ 1.0" in text
    assert r"sum\_a" in text
    assert r"\toprule" in text
