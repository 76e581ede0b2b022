"""The steps' files, of raw pixels, of a run, of a transfer."""

import json
import sys

import numpy as np
import pytest

from dhel_kcl.evaluation.protocol import EVALUATORS, Report
from dhel_kcl.files import read_json, write_json
from dhel_kcl.runtime import cli
from dhel_kcl.steps import evaluate, transfer

HEAD = {"epochs": 2, "batch_size": 50, "learning_rate": 0.1, "momentum": 0.9, "weight_decay": 1e-4}


@pytest.fixture
def step(digits_folder, split_file, monkeypatch):
    """Runs a step on the digits, in this process."""

    def run(module, spec, out, *arguments):
        common = ["--spec", json.dumps(spec), "--data", digits_folder, "--split", split_file, "--out", out]
        monkeypatch.setattr(sys, "argv", ["dhel-kcl", *map(str, [*common, *arguments])])
        module.main()

    return run


def test_every_evaluator_has_its_place_in_the_report():
    assert EVALUATORS.keys() == Report.__dataclass_fields__.keys() - {"spec", "test_images", "labels"}


def test_raw_pixels(step, evaluation_spec, tmp_path):
    several = {"weight_decay": [1e-2, 1e-4], "scaling": ["unit", "standardised"]}
    step(evaluate, evaluation_spec | several | {"augmented": HEAD | {"augment": {}}}, tmp_path)
    assert read_json(tmp_path / "geometry.json").keys() == {"h"}
    report = read_json(tmp_path / "probe.json")
    assert report["test"]["accuracy"] > 70
    assert report["protocol"] == "cached", "no head is trained on pixels"
    assert report["scaling"] in report["scalings"]
    assert report["scalings"].keys() == {"unit", "standardised"}
    assert [each["weight_decay"] for each in report["scalings"]["unit"]["candidates"]] == [1e-2, 1e-4]


def test_a_run_with_the_cached_and_the_augmented_probe(step, evaluation_spec, split_file, run_folder, tmp_path):
    step(evaluate, evaluation_spec, run_folder, "--run", run_folder)
    geometry = read_json(run_folder / "geometry.json")
    assert geometry.keys() == {"z", "h"}
    assert 0 < geometry["z"]["negative_variance"] < 1
    assert geometry["h"]["negative_variance"] is None
    step(evaluate, evaluation_spec | {"training_pairs": 0}, tmp_path / "without", "--run", run_folder)
    assert read_json(tmp_path / "without/geometry.json")["z"] == geometry["z"] | {"negative_variance": None}
    spectrum = (run_folder / "spectrum.csv").read_text().splitlines()
    assert len(spectrum) == 1 + 16 + 16
    assert len((run_folder / "similarities.csv").read_text().splitlines()) == 1 + 50 + 50
    predictions = np.loadtxt(run_folder / "predictions.csv", delimiter=",", skiprows=1)
    assert predictions[:, 0].tolist() == np.load(split_file)["test"].tolist()
    accuracy = 100 * np.mean(predictions[:, 1] == predictions[:, 2])
    cached = read_json(run_folder / "probe.json")
    assert accuracy == pytest.approx(cached["test"]["accuracy"])
    assert cached["protocol"] == "cached"
    assert cached["knn"].keys() == {"validation", "test"}

    paper = evaluation_spec | {"augmented": HEAD | {"augment": {"pad": 1}}}
    step(evaluate, paper, tmp_path / "paper", "--run", run_folder)
    augmented = read_json(tmp_path / "paper/probe.json")
    assert augmented["protocol"] == "augmented"
    assert augmented["cached"] == {name: value for name, value in cached.items() if name not in ("knn", "spec")}
    assert augmented["knn"] == cached["knn"]
    assert augmented["test"]["images"] == 60
    predictions = np.loadtxt(tmp_path / "paper/predictions.csv", delimiter=",", skiprows=1)
    accuracy = 100 * np.mean(predictions[:, 1] == predictions[:, 2])
    assert accuracy == pytest.approx(augmented["test"]["accuracy"])
    for name in ("geometry.json", "spectrum.csv", "similarities.csv"):
        assert (tmp_path / "paper" / name).read_bytes() == (run_folder / name).read_bytes()

    step(transfer, paper, tmp_path / "transfer/digits.json", "--run", run_folder)
    assert (tmp_path / "transfer/digits.json").read_bytes() == (run_folder / "probe.json").read_bytes()


def test_a_run_on_another_data_set_is_not_evaluated_as_one_on_this(step, evaluation_spec, run_folder, tmp_path):
    spec = read_json(run_folder / "spec.json")
    write_json(run_folder / "spec.json", spec | {"dataset": "other"})
    message = "run was trained on other, and the spec is for digits: `dhel-kcl transfer` evaluates a network on other"
    with pytest.raises(ValueError, match=message):
        step(evaluate, evaluation_spec, tmp_path / "out", "--run", run_folder)
    step(transfer, evaluation_spec, tmp_path / "digits.json", "--run", run_folder)
    for module in (evaluate, transfer):
        with pytest.raises(ValueError, match=r"the spec is for the data set other, and .* holds digits"):
            step(module, evaluation_spec | {"dataset": "other"}, tmp_path / "out", "--run", run_folder)
    assert not (tmp_path / "out").exists()


def test_damaged_weights_are_named_before_anything_is_written(
    step, evaluation_spec, run_folder, tmp_path, monkeypatch, capsys
):
    (run_folder / "encoder.safetensors").write_bytes(b"damaged")
    with pytest.raises(SystemExit) as stopped:
        cli.run(lambda: step(evaluate, evaluation_spec, tmp_path / "again", "--run", run_folder))
    assert stopped.value.code == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert "encoder.safetensors is damaged" in error
    assert not (tmp_path / "again").exists()
