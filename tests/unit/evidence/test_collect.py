"""Tidy tables of run folders: what they hold, and that whatever is damaged is named where it is, in whichever run."""

import contextlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dhel_kcl.evaluation.spec import EvaluationSpec
from dhel_kcl.evidence import tidy
from dhel_kcl.evidence.collect import collect, over_seeds, summary
from dhel_kcl.evidence.tidy import COLUMNS, Results
from dhel_kcl.files import DamagedError, read_json, write_json
from dhel_kcl.study import layout
from dhel_kcl.study.config import suite_names
from dhel_kcl.study.suite import Suite
from dhel_kcl.training.spec import PretrainSpec
from tests.damage import CASES, damaged_content
from tests.synthetic import ROOT, code_of, run_folders, runs_of, suite_of


def two_data_sets(content):
    """Digits and Fashion-MNIST, whose encoders are evaluated on each other, on augmented images besides."""
    digits = content["datasets"]["digits"]
    content["datasets"] = {"digits": digits, "fashion_mnist": digits | {"split": digits["split"] | {"test": 1500}}}
    content["transfer"] = {"batch_size": 16, "datasets": {"digits": {}, "fashion_mnist": {}}}
    content["probe"]["augmented"] = {"augment": {"brightness": 0.4}}
    points = {"loss": "dcl", "temperature": 0.3, "learning_rate": [0.3, 1.0], "epochs": 2}
    content["causes"] = {"batch_size": 16, "seeds": [4], "losses": {"dcl-causes": points}}
    del content["ablations"]


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    return suite_of(tmp_path_factory.mktemp("suite"), two_data_sets, base="smoke")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, suite):
    folder = tmp_path_factory.mktemp("folder")
    run_folders(folder, suite)
    return folder


@pytest.fixture
def here(folder, monkeypatch):
    """The folder of finished runs, as the current one; not to be changed but by `damaged`."""
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def copy(folder, tmp_path, monkeypatch):
    """A copy of it, to be changed."""
    shutil.copytree(folder, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return tmp_path / "copy"


@contextlib.contextmanager
def damaged(path, content):
    """The file with other content, within the block."""
    before = Path(path).read_bytes()
    Path(path).write_bytes(content)
    try:
        yield
    finally:
        Path(path).write_bytes(before)


def named(suite, error):
    """Folders of the runs that a message names."""
    return [run.folder for run in suite.runs if f"{run.folder}/" in f"{error}/".replace(" ", "/")]


def test_every_run_and_column_is_there(here, suite):
    tables = collect(suite, code_of)
    assert tables.keys() == COLUMNS.keys() == set(layout.TIDY_TABLES)
    transfers = ["transfer_digits", "transfer_fashion_mnist"]
    before = COLUMNS["runs"].index("z_alignment")
    assert list(tables["runs"]) == [*COLUMNS["runs"][:before], *transfers, *COLUMNS["runs"][before:]]
    assert all(list(tables[name]) == COLUMNS[name] for name in COLUMNS if name != "runs")
    runs = tables["runs"]
    assert runs.seed.tolist() == [run.seed for run in suite.runs]
    assert runs.section.tolist() == [run.section for run in suite.runs]
    grid = {run.folder: read_json(Path(layout.selected(run)))["run"] for run in suite.runs if run.role == "grid"}
    by_role = [grid.get(run.folder) == run.name or run.role in ("selected", "final", "floor") for run in suite.runs]
    assert runs.selected.tolist() == by_role
    assert runs.git_revision.isna().tolist() == [run.method == "pixels" for run in suite.runs]
    assert runs.cached_test_accuracy.isna().tolist() == [run.method == "pixels" for run in suite.runs]
    assert runs.z_negative_variance.isna().tolist() == [run.method in ("pixels", "supervised") for run in suite.runs]
    assert set(runs.probe_scaling) == {"unit"}
    assert runs.standardised_test_accuracy.isna().all(), "not asked for"
    cached = runs.cached_test_accuracy.fillna(runs.test_accuracy)
    assert runs.unit_test_accuracy.tolist() == cached.tolist()
    assert runs.z_alignment.isna().tolist() == [run.method in ("pixels", "supervised") for run in suite.runs]
    assert (runs.transfer_fashion_mnist.notna() == [run.role == "selected" for run in suite.runs]).sum() > 12
    parameters = runs.groupby(["dataset", "method"]).apply(lambda g: g[g.selected].parameters.nunique())
    assert parameters.max() == 1, "a selected setting's further seeds, and the final ones, have its parameters"
    assert runs[runs.method == "dhel"].parameters.str.fullmatch(r"form=sum temperature=0.3 learning_rate=[\d.]+").all()


def test_how_each_run_was_trained_is_told(here, suite):
    """The grid for one epoch, of 6 updates on 100 images, the final runs and the floors for 9 updates."""
    runs = collect(suite, code_of)["runs"]
    trained = runs[~runs.method.isin(["pixels", "random"])]
    lengths = trained.groupby("section").epochs.agg(["min", "max"])
    assert (lengths["min"] == lengths["max"]).all()
    assert lengths["min"].to_dict() == {"losses": 1, "final": 9 * 16 / 100, "causes": 2, "floors": 9 * 16 / 100}
    assert runs[runs.method.isin(["pixels", "random"])][["learning_rate", "epochs"]].isna().all(axis=None)
    named = trained.parameters.str.extract(r"learning_rate=([\d.]+)")[0].astype(float)
    assert named.notna().sum() == 2 * (2 + 1 + 1 + 2)
    assert (trained.learning_rate == named.fillna(1.0)).all(), "in place of the suite's"
    assert set(trained.claims) == {"c" * 12}
    assert runs.plan.isna().all()


def test_a_plan_is_told_by_its_first_digits_and_a_checksum_that_is_none_is_refused(here, suite):
    run = next(run for run in suite.runs if run.role == "final")
    path = Path(run.folder, "provenance.json")
    record = read_json(path)
    with damaged(path, path.read_bytes()):
        write_json(path, record | {"plan": "0123456789abcdef" * 4})
        runs = collect(suite, code_of)["runs"]
        assert runs[runs.plan.notna()][["section", "plan"]].to_numpy().tolist() == [["final", "0123456789ab"]]
        for wrong in ("0123", 3, ["x"]):
            write_json(path, record | {"plan": wrong})
            with pytest.raises(DamagedError, match=r"provenance\.json is damaged .*plan is .*, no SHA-256"):
                collect(suite, code_of)


def test_tables_are_read_as_they_were_written(here, suite, tmp_path):
    tables = collect(suite, code_of)
    for name, table in tables.items():
        tidy.write(tmp_path / f"{name}.csv", table)
    results = Results(tmp_path, suite)
    for name, table in tables.items():
        again = results.table(name)
        assert again.shape == table.shape
        for column in table.select_dtypes("number"):
            np.testing.assert_allclose(again[column], table[column], rtol=1e-15)
    for key, share in results.correct.items():
        means = results.selected.groupby(["dataset", "method", "batch_size"]).test_accuracy.mean()
        assert 100 * share.mean() == pytest.approx(means[key])


def test_costs_are_those_measured_beside_those_planned(here, suite):
    costs = collect(suite, code_of)["costs"].set_index(["dataset", "section", "method"])
    assert set(costs.index.get_level_values("method")) == {"simclr", "dhel", "dcl-causes", "supervised"}
    row = costs.loc[("digits", "losses", "simclr")]
    steps = 100 // 16
    assert (row.runs, row.seconds_a_run, row.total_seconds) == (3, 2.5, 7.5)
    assert row.views_per_second == pytest.approx(2 * 16 * steps / 2.5)
    assert row.planned_views_per_second == 1016
    plan = Path(layout.PLAN.format(suite=suite.name))
    changes = {(b"digits,16", b"digits,1"): "no speed on digits at M = 16", (b"1016", b"fast"): "ValueError"}
    for (old, new), cause in changes.items():
        content = plan.read_bytes().replace(old, new)
        with damaged(plan, content), pytest.raises(DamagedError, match=rf"plan\.csv is damaged .*{cause}"):
            collect(suite, code_of)


def test_over_seeds_counts_and_averages():
    key = {"dataset": "d", "section": "losses", "method": "m", "batch_size": 16}
    runs = [pd.DataFrame({"space": "z", "index": [1, 2], "value": [1.0, x]}).assign(**key) for x in (0.2, 0.4)]
    result = over_seeds(runs, ["space", "index"], "value")
    assert result["mean"].tolist() == pytest.approx([1.0, 0.3])
    assert result["std"].tolist() == pytest.approx([0.0, np.std([0.2, 0.4], ddof=1)])
    assert result["seeds"].tolist() == [2, 2]
    assert list(over_seeds([], ["space", "index"], "value")) == COLUMNS["spectra"]


def test_summary_averages_the_selected_runs_only():
    row = {"dataset": "digits", "section": "losses", "method": "dhel", "batch_size": 16, "z_effective_rank": np.nan}
    runs = pd.DataFrame([row | {"selected": s, "test_accuracy": a} for s, a in ((True, 80), (True, 90), (False, 0))])
    assert summary(runs, Suite.load(ROOT, "digits")) == {"accuracy": {"DHEL": 85.0}, "rank": {}}


def test_the_summary_averages_the_selected_runs_of_the_main_sections_under_names_for_people(suite, tmp_path):
    digits = suite_of(tmp_path, lambda content: None)
    runs = runs_of(digits, lambda run, loss: {"test_accuracy": 90.0 if run.role == "grid" else 80.0}, {})
    found = summary(runs, digits)
    assert (found["accuracy"]["SimCLR"], found["rank"]["SimCLR"]) == (81.67, 20.0), "five of six at 80"
    assert list(found["accuracy"])[-3:] == ["raw pixels", "random encoder", "supervised"]
    assert not any("anchor" in name or "IMQ" in name for name in found["accuracy"]), "no ablations"
    without = runs.assign(z_effective_rank=np.nan)
    assert summary(without, digits)["rank"] == {}
    both = summary(runs_of(suite, lambda run, loss: {}, {}), suite)
    assert list(both) == ["digits", "Fashion-MNIST"]
    assert both["Fashion-MNIST"]["accuracy"]["DHEL"] == 80.0
    at_length = runs_of(suite, lambda run, loss: {"test_accuracy": 90.0 if run.role == "final" else 80.0}, {})
    assert summary(at_length, suite)["digits"]["accuracy"]["DHEL"] == 90.0


def test_absent_runs_are_left_out_of_a_partial_gathering_alone(copy, suite):
    everything = collect(suite, code_of)["runs"]
    pd.testing.assert_frame_equal(collect(suite, code_of, partial=True)["runs"], everything)
    runs = Path(layout.SUITE_RUNS.format(suite=suite.name), "digits")
    shutil.rmtree(runs / "simclr_m16_selected/seed1")
    (runs / "random/seed0/geometry.json").unlink()
    (runs / "dhel_m16_selected/seed1/transfer/fashion_mnist.json").unlink()
    Path(layout.PLAN.format(suite=suite.name)).unlink()
    rest = collect(suite, code_of, partial=True)
    absent = (everything.method == "random") | ((everything.method == "simclr") & (everything.role == "selected"))
    expected = everything[~(absent & (everything.dataset == "digits"))].reset_index(drop=True)
    one = (expected.dataset == "digits") & (expected.method == "dhel") & (expected.role == "selected")
    expected.loc[one, "transfer_fashion_mnist"] = np.nan
    numbers = {name: float for name in expected if name.startswith("transfer_")}
    pd.testing.assert_frame_equal(rest["runs"].astype(numbers), expected.astype(numbers), check_dtype=False)
    assert rest["costs"].planned_views_per_second.isna().all()
    with pytest.raises(FileNotFoundError, match="simclr_m16_selected/seed1"):
        collect(suite, code_of)


def test_a_setting_not_yet_selected_leaves_its_grid(copy, suite):
    shutil.rmtree(Path(layout.SUITE_RUNS.format(suite=suite.name), "digits/simclr_m16_selected"))
    grid = collect(suite, code_of, partial=True)["runs"].query("method == 'simclr' and dataset == 'digits'")
    assert grid.role.tolist() == ["grid", "grid"]
    assert not grid.selected.any()


def test_nothing_finished_is_said(copy, suite):
    shutil.rmtree(layout.SUITE_RUNS.format(suite=suite.name))
    with pytest.raises(ValueError, match=f"no run of suite {suite.name} is complete; start it with `snakemake"):
        collect(suite, code_of, partial=True)
    with pytest.raises(FileNotFoundError):
        collect(suite, code_of)


def once(old, new):
    """A damage that replaces the first place that matches `old`."""

    def change(text):
        changed = re.sub(old, new, text, count=1)
        assert changed != text
        return changed

    return change


def without_row(place):
    def change(text):
        lines = text.splitlines(keepends=True)
        del lines[place]
        return "".join(lines)

    return change


def swapped(text):
    head, first, second, *rest = text.splitlines(keepends=True)
    return "".join([head, second, first, *rest])


DAMAGES = {
    # An index of four digits loses the first: 1468 became 468, and the next, healthy run was called damaged.
    "a byte of an image's index": ("predictions.csv", once(r"\n(\d?)(\d+),(\d,\d+\n)", r"\n7\g<2>1,\3")),
    "the last image": ("predictions.csv", without_row(-1)),
    "the first image": ("predictions.csv", without_row(1)),
    "the order of images": ("predictions.csv", swapped),
    "a prediction": ("predictions.csv", once(r",(\d),\1\n", r",\1,99\n")),
    "a number of a prediction": ("predictions.csv", once(r",(\d),\1\n", r",\1,\n")),
    "the header of predictions": ("predictions.csv", once("label", "labels")),
    "a singular value in the middle": ("spectrum.csv", without_row(3)),
    "the last singular value": ("spectrum.csv", without_row(-1)),
    "an index of a singular value": ("spectrum.csv", once(",3,", ",33,")),
    "the order of singular values": ("spectrum.csv", once(r",4,0\.", ",4,9.")),
    "a space of the spectrum": ("spectrum.csv", once("h,1", "y,1")),
    "a bin": ("similarities.csv", without_row(7)),
    "the last bin": ("similarities.csv", without_row(-1)),
    "the place of a bin": ("similarities.csv", once(",-0.96,", ",-0.9,")),
    "a density": ("similarities.csv", once(r",-0.9,0?", ",-0.9,7")),
    "a sign of a density": ("similarities.csv", once(r",-0.98,", ",-0.98,-")),
    "the number of embeddings": ("geometry.json", once(r'"embeddings": (\d)', r'"embeddings": 9\1')),
    "the dimension": ("geometry.json", once('"dim": 8', '"dim": 9')),
    "a name of a space": ("geometry.json", once('"h"', '"x"')),
    "a rank beyond the dimension": ("geometry.json", once('"covariance_rank": 7', '"covariance_rank": 77')),
    "a variance of negatives": ("geometry.json", once(r'"negative_variance": (0|null)', '"negative_variance": 3')),
    "a sign of uniformity": ("geometry.json", once('"uniformity": -', '"uniformity": ')),
    "an alignment that is no number": ("geometry.json", once(r'"alignment": [\d.e-]+', '"alignment": "1"')),
    "an alignment that is a truth value": ("geometry.json", once(r'"alignment": [\d.e-]+', '"alignment": true')),
    "an alignment that is not finite": ("geometry.json", once(r'"alignment": [\d.e-]+', '"alignment": NaN')),
    "a digit of the accuracy": ("probe.json", once(r'("test": {\s+"accuracy": )(\d)', r"\g<1>1\2")),
    "a digit of the accuracy on validation": ("probe.json", once(r'("validation": {\s+"accuracy": \d\d)', r"\1.3")),
    "the accuracy of neighbours": ("probe.json", once(r'("knn": {\s+"validation": [\d.]+,\s+"test": )', r"\1-")),
    "the number of images": ("probe.json", once(r'"images": (\d+)', r'"images": \g<1>0')),
    "the evaluation's setting": ("probe.json", once(r'"weight_decay": \[[^]]+\]', '"weight_decay": [0.5]')),
    "the choice of the probe": ("probe.json", once(r'"scaling": "unit"', '"scaling": "standardised"')),
    "a penalty that was tried": ("probe.json", once(r'("candidates": \[\s+{\s+"weight_decay": )1', r"\g<1>2")),
    "half of a report": ("probe.json", lambda text: text[: len(text) // 2]),
    "a setting": ("spec.json", once('"batch_size": 16', '"batch_size": 17')),
    "the name of the loss": ("spec.json", once(r'("loss": {\s+"name": ")', r"\1x")),
    "a digit of the log": ("log.csv", once("2.0", "2.5")),
    "a byte of the weights": ("encoder.safetensors", once("encoder", "Encoder")),
    "a byte of the projector": ("projector.safetensors", once("of", "oF")),
    "the views": ("provenance.json", once(r'"views": (\d+)', r'"views": \g<1>0')),
    "the time": ("provenance.json", once('"training_seconds": 2.5', '"training_seconds": -2.5')),
    "the code": ("provenance.json", once('"code": "code', '"code": "kode')),
    "the revision": ("provenance.json", once(r'"git_revision": "\w+"', '"git_revision": 7')),
    "a checksum": ("provenance.json", once(r'"log.csv": "\w', '"log.csv": "x')),
    "the name of a checksum": ("provenance.json", once('"log.csv"', '"lag.csv"')),
    "a transfer's setting": ("transfer/{target}.json", once(r'"view_seed": 0', '"view_seed": 1')),
    "a transfer's images": ("transfer/{target}.json", once(r'("test": {[^}]*"images": )', r"\g<1>9")),
    "a transfer's accuracy": ("transfer/{target}.json", once(r'("test": {\s+"accuracy": )', r"\g<1>1")),
}


@pytest.mark.parametrize("which", ["first", "later", "last"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_the_damaged_run_is_named_and_no_other(here, suite, damage, which):
    file, change = DAMAGES[damage]
    if "transfer" in file:
        paths = [(run, layout.transfer(run, target)) for run in suite.runs for target in suite.transfers(run)]
    else:
        paths = [(run, f"{run.folder}/{file}") for run in suite.runs if f"{run.folder}/{file}" in layout.run_files(run)]
    assert len(paths) > 3
    run, path = paths[{"first": 0, "later": len(paths) // 2, "last": -1}[which]]
    with damaged(path, change(Path(path).read_text()).encode()), pytest.raises(DamagedError) as found:
        collect(suite, code_of)
    assert named(suite, found.value) == [run.folder]
    assert "delete it and run again" in str(found.value)


@pytest.mark.parametrize("which", [0, -1])
def test_an_index_without_its_first_byte_is_the_fault_of_its_own_run(here, suite, which):
    """Image 1468 became 468 in the first run's predictions.csv, and the next run was called damaged."""
    run = [run for run in suite.runs if run.dataset == "fashion_mnist"][which]
    path = Path(run.folder, "predictions.csv")
    content = re.sub(rb"\n1(\d{3},)", rb"\n\1", path.read_bytes(), count=1)
    message = r"predictions\.csv is damaged .*other test images than the split's"
    with damaged(path, content), pytest.raises(DamagedError, match=message) as found:
        collect(suite, code_of)
    assert named(suite, found.value) == [run.folder]


@pytest.mark.parametrize("dataset", ["digits", "fashion_mnist"])
@pytest.mark.parametrize(
    "change",
    [lambda c: c | {"run": c["run"][:-1]}, lambda c: c | {"loss": {"name": "dhel"}}, lambda c: c | {"candidates": []},
     lambda c: c | {"learning_rate": 0.5},
     lambda c: c | {k: v + 1 for k, v in c.items() if "accuracy" in k}, lambda c: c["candidates"][0],
     lambda c: c | {"candidates": c["candidates"][::-1]} | c["candidates"][0] | {"run": "x"}, lambda c: [c]],
)  # fmt: skip
def test_a_damaged_selection_is_named_and_not_the_runs_that_were_made_with_it(here, suite, change, dataset):
    run = next(run for run in suite.runs if (run.dataset, run.method, run.role) == (dataset, "simclr", "selected"))
    path = Path(layout.selected(run))
    content = read_json(path)
    try:
        write_json(path, change(content))
        with pytest.raises(DamagedError, match=re.escape(f"{path} is damaged")) as found:
            collect(suite, code_of)
        assert named(suite, found.value) == []
    finally:
        write_json(path, content)


@pytest.mark.parametrize("dataset", ["digits", "fashion_mnist"])
def test_a_damaged_split_is_named_and_not_the_runs_that_were_made_with_it(here, suite, dataset):
    path = Path(layout.SPLIT.format(suite=suite.name, dataset=dataset))
    content = path.read_bytes()
    shorter = dict(np.load(path))
    shorter["test"] = shorter["test"][1:]
    np.savez(path, **shorter)
    for broken in (content[:-7], content[: len(content) // 2], b"", path.read_bytes()):
        path.write_bytes(content)
        with damaged(path, broken), pytest.raises(DamagedError, match=re.escape(f"{path} is damaged")) as found:
            collect(suite, code_of)
        assert named(suite, found.value) == []


def test_runs_of_another_config_or_code_are_refused_complete_or_not(here, suite):
    run = suite.runs[0]
    for partial in (False, True):
        with pytest.raises(DamagedError, match=f"{run.folder} was made with another config or code"):
            collect(suite, lambda run: "other code", partial)
        path = Path(run.folder, "probe.json")
        report = read_json(path)
        with damaged(path, path.read_bytes()):
            write_json(path, report | {"spec": report["spec"] | {"weight_decay": [0.5]}})
            with pytest.raises(DamagedError, match=f"{path} was made with another config of the evaluation"):
                collect(suite, code_of, partial)


@pytest.mark.parametrize("name", suite_names(ROOT))
def test_the_specs_that_runs_are_held_against_are_those_that_steps_write(name):
    """Once from the config and once through the classes that check them, whose content the steps write."""
    suite = Suite.load(ROOT, name)
    for dataset in suite.datasets:
        for spec in (suite.evaluation_spec(dataset), suite.evaluation_spec(dataset) | {"augmented": None}):
            assert json.loads(json.dumps(EvaluationSpec.of(spec).as_dict())) == spec
    for run in suite.runs:
        if run.trained:
            spec = suite.pretrain_spec(run)
            assert json.loads(json.dumps(PretrainSpec.of(spec).as_dict())) == spec


def test_what_the_config_does_not_ask_for_never_reaches_a_table(copy, suite):
    everything = collect(suite, code_of)["runs"]
    first = Path(suite.runs[0].folder)
    shutil.copytree(first, first.with_name("seed7"))
    shutil.copytree(first.parent, first.parent.with_name("simclr_m99"))
    pd.testing.assert_frame_equal(collect(suite, code_of)["runs"], everything)


def check_damage(folder, suite, data):
    """Where damage is found at all, it is in the run whose file was damaged."""
    with contextlib.chdir(folder):
        run = data.draw(st.sampled_from(suite.runs))
        targets = [layout.transfer(run, target) for target in suite.transfers(run)]
        path = data.draw(st.sampled_from([*layout.run_files(run), *targets]))
        content = data.draw(damaged_content(Path(path).read_bytes()))
        with damaged(path, content):
            try:
                collect(suite, code_of)
            except DamagedError as error:
                assert named(suite, error) == [run.folder]  # noqa: PT017


QUICK = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
MANY = settings(max_examples=max(CASES // 10, 1), deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.slow
@QUICK
@given(data=st.data())
def test_any_damage_is_named_in_its_own_run(folder, suite, data):
    check_damage(folder, suite, data)


@pytest.mark.torture
@MANY
@given(data=st.data())
def test_many_damages_are_named_in_their_own_runs(folder, suite, data):
    check_damage(folder, suite, data)
