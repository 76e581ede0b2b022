from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from dhel_kcl.evaluation import linear
from dhel_kcl.evaluation.accuracy import Classification, Score
from dhel_kcl.study.selection import Candidate
from dhel_kcl.study.selection import best as best_setting


@pytest.fixture
def embeddings(subsets):
    """Of features that are not unit vectors, with every penalty and both scalings asked for."""
    features, labels = subsets
    stretched = {name: points * torch.logspace(-1, 1, 12) + 3 for name, points in features.items()}
    spec = SimpleNamespace(weight_decay=(1e-1, 1e-3, 1e-5), scaling=("unit", "standardised"))
    return SimpleNamespace(
        spec=spec,
        labels=labels,
        classes=4,
        spaces={name: {"h": points} for name, points in stretched.items()},
        features={name: normalize(points) for name, points in stretched.items()},
    )


def test_scaling_and_penalty_are_chosen_on_validation(embeddings):
    probes = linear.evaluate(embeddings)
    assert {name: [each.weight_decay for each in found] for name, found in probes.probes.items()} == {
        "unit": [1e-1, 1e-3, 1e-5],
        "standardised": [1e-1, 1e-3, 1e-5],
    }
    every = [probe for found in probes.probes.values() for probe in found]
    scores = [(-probe.validation.accuracy, probe.validation.cross_entropy) for probe in every]
    assert probes.chosen is every[scores.index(min(scores))]

    record = probes.record()
    chosen = record["scalings"][record["scaling"]]
    for key in ("weight_decay", "train", "validation", "test"):
        assert record[key] == chosen[key]
    for found in record["scalings"].values():
        (own,) = (each for each in found["candidates"] if each["weight_decay"] == found["weight_decay"])
        assert own == {"weight_decay": found["weight_decay"]} | found["validation"]
        assert own["accuracy"] == max(each["accuracy"] for each in found["candidates"])


def test_test_images_have_no_say_in_the_choice(embeddings):
    before = linear.evaluate(embeddings).chosen
    embeddings.labels["test"] = (embeddings.labels["test"] + 1) % 4
    after = linear.evaluate(embeddings).chosen
    assert (before.scaling, before.weight_decay) == (after.scaling, after.weight_decay)
    assert before.classification.scores["test"] != after.classification.scores["test"]


def test_what_else_is_tried_changes_no_probe(embeddings):
    among = linear.evaluate(embeddings).probes["standardised"][1]
    embeddings.spec.weight_decay, embeddings.spec.scaling = (1e-3,), ("standardised",)
    assert linear.evaluate(embeddings).chosen == among


def test_the_rule_is_that_of_the_losses_settings():
    """Which the evaluation cannot import."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        scores = [Score(float(rng.integers(3)), float(rng.integers(3)), 10) for _ in range(6)]
        probes = [linear.Probe("unit", k, Classification({"validation": each}, [])) for k, each in enumerate(scores)]
        candidates = [Candidate(str(k), {}, 0.1, each.accuracy, each.cross_entropy) for k, each in enumerate(scores)]
        assert str(linear.best(probes).weight_decay) == best_setting(candidates).run
