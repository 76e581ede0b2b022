import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from dhel_kcl.data import prepared
from dhel_kcl.evaluation import probe
from dhel_kcl.geometry import metrics
from dhel_kcl.runtime.files import read_json
from dhel_kcl.training.networks import build_encoder, build_projector, write_weights
from dhel_kcl.views import view_source as images


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


PARTS = {"train": slice(0, 100), "validation": slice(100, 150), "test": slice(150, 200)}


def parts():
    features, labels = features_and_labels()
    return {name: features[part] for name, part in PARTS.items()}, {name: labels[part] for name, part in PARTS.items()}


def test_accuracy_is_the_share_of_right_predictions():
    features, labels = parts()
    logits = probe.linear_probe(features, labels, 4, 1e-3)
    result = probe.scores(logits, labels)
    right = (logits["test"].argmax(dim=1) == labels["test"]).numpy()
    assert result["test"]["accuracy"] == 100 * np.mean(right)
    assert result["train"]["accuracy"] > 60
    assert result["test"]["images"] == 50


@pytest.mark.parametrize("neighbours", [1, 5, 20])
def test_nearest_neighbours_vote_as_in_scikit_learn(neighbours):
    features, labels = parts()
    reference = KNeighborsClassifier(neighbours, metric="cosine").fit(features["train"], labels["train"])
    ours = probe.nearest_neighbours(features, labels, 4, neighbours)
    for name in ("validation", "test"):
        assert ours[name] == pytest.approx(100 * reference.score(features[name], labels[name]))


def test_the_head_is_trained_as_torch_would(digits_folder):
    """Against a plain loop with torch's own optimiser and schedule, without augmentation and in the same order."""
    data = prepared.read(digits_folder)
    source, labels = images.open_source(data, np.arange(40), torch.device("cpu")), torch.tensor(data.labels[:40])
    settings = {"epochs": 3, "batch_size": 16, "learning_rate": 0.5, "momentum": 0.9, "weight_decay": 0.01}
    settings["augment"] = {"flip": 0.0}
    head = probe.train_head(lambda views: views.flatten(1), source, labels, 10, settings, seed=3)

    generator = torch.Generator().manual_seed(3)
    reference = torch.nn.Linear(64, 10)
    torch.nn.init.zeros_(reference.weight)
    torch.nn.init.zeros_(reference.bias)
    groups = [{"params": [reference.weight], "weight_decay": 0.01}, {"params": [reference.bias]}]
    optimizer = torch.optim.SGD(groups, lr=0.5, momentum=0.9)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / 6)
    for _ in range(3):
        order = torch.randperm(40, generator=generator)
        for index in order[:32].split(16):
            pixels = torch.tensor(data.images[:40])[index].flatten(1) / 255
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(reference(pixels), labels[index]).backward()
            optimizer.step()
            schedule.step()
    torch.testing.assert_close(head.weight, reference.weight)
    torch.testing.assert_close(head.bias, reference.bias)


def test_embeddings_do_not_depend_on_how_images_are_batched(pretrain_spec, tmp_path):
    backbone = pretrain_spec["backbone"]
    encoder = build_encoder(backbone, 1)
    write_weights(tmp_path / "encoder.safetensors", encoder)
    write_weights(tmp_path / "projector.safetensors", build_projector(encoder.features, 16))
    (tmp_path / "spec.json").write_text(json.dumps(pretrain_spec))
    embedder = probe.Embedder(tmp_path, 1, torch.device("cpu"))
    pixels = torch.rand(20, 1, 8, 8)
    whole, parts = embedder([pixels]), embedder(pixels.split(7))
    assert whole["h"].shape == (20, encoder.features)
    assert whole["z"].shape == (20, 16)
    for space in ("h", "z"):
        torch.testing.assert_close(whole[space], parts[space])


def test_raw_pixels_of_large_images_are_averaged():
    embedder = probe.Embedder(None, 3, torch.device("cpu"))
    pixels = torch.rand(2, 3, 96, 96)
    blocks = pixels.view(2, 3, 32, 3, 32, 3).mean(dim=(3, 5))
    torch.testing.assert_close(embedder([pixels])["h"], blocks.flatten(1))
    assert torch.equal(embedder([pixels[..., :28, :28]])["h"], pixels[..., :28, :28].flatten(1))


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
        [sys.executable, "-m", "dhel_kcl.evaluation.probe", *map(str, arguments)], capture_output=True, text=True
    )


def test_raw_pixels_and_a_trained_run(pretrain_spec, probe_spec, digits_folder, split_file, tmp_path):
    common = ["--spec", json.dumps(probe_spec), "--data", digits_folder, "--split", split_file]
    assert run_probe([*common, "--out", tmp_path / "pixels"]).returncode == 0
    assert read_json(tmp_path / "pixels/geometry.json").keys() == {"h"}
    assert read_json(tmp_path / "pixels/probe.json")["test"]["accuracy"] > 70

    arguments = ["--spec", json.dumps(pretrain_spec), "--data", digits_folder, "--split", split_file]
    arguments += ["--out", tmp_path / "run", "--scratch", tmp_path / "scratch"]
    subprocess.run(
        [sys.executable, "-m", "dhel_kcl", "pretrain", *map(str, arguments)], check=True, capture_output=True
    )
    assert run_probe([*common, "--run", tmp_path / "run", "--out", tmp_path / "run"]).returncode == 0
    assert read_json(tmp_path / "run/geometry.json").keys() == {"z", "h"}
    spectrum = (tmp_path / "run/spectrum.csv").read_text().splitlines()
    assert len(spectrum) == 1 + 16 + 16
    predictions = np.loadtxt(tmp_path / "run/predictions.csv", delimiter=",", skiprows=1)
    accuracy = 100 * np.mean(predictions[:, 1] == predictions[:, 2])
    assert accuracy == pytest.approx(read_json(tmp_path / "run/probe.json")["test"]["accuracy"])

    report = read_json(tmp_path / "run/probe.json")
    assert report["protocol"] == "cached"
    assert report["knn"].keys() == {"validation", "test"}

    augmented = {"epochs": 2, "batch_size": 50, "learning_rate": 0.1, "momentum": 0.9, "weight_decay": 1e-4}
    paper = probe_spec | {"augmented": augmented | {"augment": {"pad": 1}}}
    arguments = ["--spec", json.dumps(paper), *common[2:], "--run", tmp_path / "run", "--transfer"]
    assert run_probe([*arguments, "--out", tmp_path / "transfer/digits.json"]).returncode == 0
    transfer = read_json(tmp_path / "transfer/digits.json")
    assert transfer["protocol"] == "augmented"
    assert transfer["cached"] == {name: report[name] for name in ("protocol", "train", "validation", "test")}
    assert transfer["test"]["images"] == 60

    (tmp_path / "run/encoder.safetensors").write_bytes(b"damaged")
    result = run_probe([*common, "--run", tmp_path / "run", "--out", tmp_path / "again"])
    assert result.returncode == 1
    assert result.stderr.startswith("error: ")
    assert "encoder.safetensors is damaged" in result.stderr
    assert not (tmp_path / "again").exists()
