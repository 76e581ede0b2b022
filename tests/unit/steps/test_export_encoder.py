"""An exported encoder is the run's, and its card is true and loads it."""

import re
import shutil
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from dhel_kcl.data import split as splits
from dhel_kcl.evaluation.embed import FrozenNetwork
from dhel_kcl.evaluation.protocol import evaluate
from dhel_kcl.evaluation.spec import EvaluationSpec
from dhel_kcl.files import DamagedError, read_json, sha256, write_json
from dhel_kcl.runtime.repository import git
from dhel_kcl.steps import evaluate as evaluation
from dhel_kcl.steps import export_encoder
from tests.pipeline import ROOT


@pytest.fixture
def finished(train, evaluation_spec, digits_folder, split_file, tmp_path):
    """A run that was trained and evaluated."""
    code, said = train(tmp_path)
    assert code == 0, said
    data, split = splits.read_with(digits_folder, split_file, "digits")
    for folder, run in ((tmp_path / "out", tmp_path / "out"), (tmp_path / "pixels", None)):
        evaluation.write(folder, evaluate(EvaluationSpec.of(evaluation_spec), run, data, split))
    return tmp_path / "out"


@pytest.fixture
def export(monkeypatch, digits_folder, capsys):
    def call(run, *more):
        monkeypatch.setattr(sys, "argv", ["export-encoder", *map(str, (run, "--data", digits_folder, *more))])
        export_encoder.main()
        return capsys.readouterr().out

    return call


def test_the_card_loads_the_runs_encoder_and_says_what_it_is(finished, export, tmp_path, monkeypatch):
    said = export(finished, "--out", tmp_path / "exported/one.safetensors")
    file = tmp_path / "exported/one.safetensors"
    assert said == f"{file}: {file.stat().st_size:,} bytes. Card: {file.with_suffix('.md')}\n"
    card = file.with_suffix(".md").read_text()
    (code,) = re.findall(r"^```python\n(.*?)^```", card, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(file.parent)
    names = {}
    exec(compile(code, "card", "exec"), names)
    images = torch.rand(5, 1, 8, 8)
    expected = FrozenNetwork(finished, 1, torch.device("cpu")).embed([images])["h"]
    with torch.no_grad():
        assert torch.equal(names["encoder"](images), expected)
    assert f"(B, {expected.shape[1]})" in card
    assert names["features"].shape == (2, expected.shape[1])

    probe, geometry = (read_json(finished / f"{name}.json") for name in ("probe", "geometry"))
    with safe_open(file, "pt") as opened:
        metadata = opened.metadata()
    assert metadata["data set"].startswith("digits: Optical Recognition")
    assert metadata["licence of the data"] == "CC BY 4.0"
    assert metadata["loss"] == "simclr, temperature 0.3"
    assert metadata["training"].startswith("18 updates of 16 images")
    assert metadata["seed"] == "0"
    assert metadata["accuracy of a linear probe"].startswith(f"{probe['test']['accuracy']:.2f} %")
    assert f"z {geometry['z']['effective_rank']:.1f} of 16" in metadata["effective rank"]
    assert metadata["revision of the code"] == read_json(finished / "provenance.json")["git_revision"]
    rows = dict(re.findall(r"^\| (.+?) \| (.+) \|$", card, re.MULTILINE))
    assert rows == {name: metadata[name] for name in metadata.keys() - {"encoder", "spec"}} | {
        "SHA-256 of `one.safetensors`": f"`{sha256(file)}`"
    }


def test_without_a_name_it_is_the_runs_in_a_folder_that_git_ignores(finished, export, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    export(Path("out"))
    (file,) = (tmp_path / "encoders").glob("*.safetensors")
    assert file.stem == "out"
    assert export_encoder.name_of(Path("demo/runs/dhel")) == "dhel"
    run = Path("/home/runs/clone/results/runs/digits/digits/dhel_m64_selected/seed1")
    assert export_encoder.name_of(run) == "digits_digits_dhel_m64_selected_seed1"
    before = file.read_bytes()
    export(Path("out"))
    assert file.read_bytes() == before, "the same once more"
    file.write_bytes(b"another suite's")
    with pytest.raises(FileExistsError, match=r"safetensors holds something else; delete it, or name another file"):
        export(Path("out"))
    assert file.read_bytes() == b"another suite's"
    file.unlink()
    file.with_suffix(".md").write_text("notes")
    with pytest.raises(FileExistsError, match=r"\.md holds something else; delete it, or name another file"):
        export(Path("out"))
    assert not file.exists()
    assert git(ROOT, "check-ignore", "encoders/x.safetensors")


def test_what_is_no_finished_run_is_told_apart(finished, export, tmp_path):
    with pytest.raises(ValueError, match=r"pixels is of raw pixels, which have no encoder; give the folder of a"):
        export(tmp_path / "pixels")
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ValueError, match=rf"{folder.name} is not the folder of a run; give one such as results/"):
            export(folder)
    (finished / "probe.json").unlink()
    with pytest.raises(ValueError, match=r"out is not finished: no probe\.json; run again what trains and evaluates"):
        export(finished)
    assert not (tmp_path / "encoders").exists()


def test_weights_and_data_of_something_else_are_refused(finished, export, tmp_path, digits_folder):
    with pytest.raises(ValueError, match=r"one\.bin: the file's name has to end with \.safetensors"):
        export(finished, "--out", tmp_path / "one.bin")
    other = shutil.copytree(digits_folder, tmp_path / "other")
    write_json(other / "manifest.json", read_json(other / "manifest.json") | {"name": "other"})
    with pytest.raises(ValueError, match=r"is of digits, and .*other holds other: give --data of digits"):
        export(finished, "--data", other)
    shutil.copy(finished / "projector.safetensors", finished / "encoder.safetensors")
    with pytest.raises(DamagedError, match=r"encoder\.safetensors is not the file that training wrote; delete"):
        export(finished)
