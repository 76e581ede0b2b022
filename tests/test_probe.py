import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from dhel_kcl import metrics, probe
from dhel_kcl.files import read_json


def features_and_labels():
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 4, (200,), generator=generator)
    features = torch.randn(4, 12, generator=generator)[labels] + torch.randn(200, 12, generator=generator)
    return torch.nn.functional.normalize(features), labels


@pytest.mark.parametrize("weight_decay", [1e-1, 1e-3])
def test_the_probe_is_logistic_regression(weight_decay):
    features, labels = features_and_labels()
    weight, bias = probe.fit_linear(features, labels, 4, weight_decay)
    reference = LogisticRegression(C=1 / (weight_decay * len(labels)), tol=1e-10, max_iter=10_000)
    theirs = reference.fit(features.double().numpy(), labels.numpy()).decision_function(features.double().numpy())
    ours = (features.double() @ weight + bias).numpy()
    centre = lambda logits: logits - logits.mean(axis=1, keepdims=True)  # noqa: E731
    np.testing.assert_allclose(centre(ours), centre(theirs), atol=1e-4)


def test_accuracy_is_the_share_of_right_predictions():
    features, labels = features_and_labels()
    parts = {"train": slice(0, 100), "validation": slice(100, 150), "test": slice(150, 200)}
    result, predictions = probe.linear_probe(
        {name: features[part] for name, part in parts.items()}, {n: labels[p] for n, p in parts.items()}, 4, 1e-3
    )
    assert result["test"]["accuracy"] == 100 * np.mean((predictions == labels[150:]).numpy())
    assert result["train"]["accuracy"] > 60
    assert result["test"]["images"] == 50


def test_geometry_normalises_and_names_what_it_measured():
    generator = torch.Generator().manual_seed(0)
    z, u, v = (5 * torch.randn(30, 8, generator=generator) for _ in range(3))
    report = probe.geometry(z, (u, v))
    assert report["embeddings"] == 30
    assert report["dim"] == 8
    assert report["alignment"] == pytest.approx(metrics.alignment(metrics.unit(u), metrics.unit(v)))
    assert report["effective_rank"] == pytest.approx(metrics.effective_rank(metrics.unit(z / 7)))


def run_probe(arguments):
    return subprocess.run(
        [sys.executable, "-m", "dhel_kcl.probe", *map(str, arguments)], capture_output=True, text=True
    )


def test_raw_pixels_and_a_trained_run(pretrain_spec, probe_spec, digits_folder, split_file, tmp_path):
    common = ["--spec", json.dumps(probe_spec), "--data", digits_folder, "--split", split_file]
    assert run_probe([*common, "--out", tmp_path / "pixels"]).returncode == 0
    assert read_json(tmp_path / "pixels/geometry.json").keys() == {"h"}
    assert read_json(tmp_path / "pixels/probe.json")["test"]["accuracy"] > 70

    arguments = ["--spec", json.dumps(pretrain_spec), "--data", digits_folder, "--split", split_file]
    arguments += ["--out", tmp_path / "run", "--scratch", tmp_path / "scratch"]
    subprocess.run([sys.executable, "-m", "dhel_kcl.pretrain", *map(str, arguments)], check=True, capture_output=True)
    assert run_probe([*common, "--run", tmp_path / "run", "--out", tmp_path / "run"]).returncode == 0
    assert read_json(tmp_path / "run/geometry.json").keys() == {"z", "h"}
    spectrum = (tmp_path / "run/spectrum.csv").read_text().splitlines()
    assert len(spectrum) == 1 + 16 + 16
    predictions = np.loadtxt(tmp_path / "run/predictions.csv", delimiter=",", skiprows=1)
    accuracy = 100 * np.mean(predictions[:, 1] == predictions[:, 2])
    assert accuracy == pytest.approx(read_json(tmp_path / "run/probe.json")["test"]["accuracy"])

    (tmp_path / "run/encoder.safetensors").write_bytes(b"damaged")
    result = run_probe([*common, "--run", tmp_path / "run", "--out", tmp_path / "again"])
    assert result.returncode == 1
    assert result.stderr.startswith("error: ")
    assert "encoder.safetensors is damaged" in result.stderr
    assert not (tmp_path / "again").exists()
