from types import SimpleNamespace

import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from dhel_kcl.evaluation import neighbours as evaluator
from dhel_kcl.evaluation.neighbours import nearest_neighbours


@pytest.mark.parametrize("neighbours", [1, 5, 20])
def test_nearest_neighbours_vote_as_in_scikit_learn(subsets, neighbours):
    features, labels = subsets
    reference = KNeighborsClassifier(neighbours, metric="cosine").fit(features["train"], labels["train"])
    ours = nearest_neighbours(features, labels, 4, neighbours)
    assert ours.keys() == {"validation", "test"}
    for subset in ours:
        assert ours[subset] == pytest.approx(100 * reference.score(features[subset], labels[subset]))


def test_the_evaluator_takes_the_specs_number_of_neighbours_by_cosine(subsets):
    """Of features whose lengths and directions would give other neighbours than their cosines."""
    features, labels = subsets
    raw = {name: points * torch.logspace(-1, 1, 12) + 3 for name, points in features.items()}
    spec, unit = SimpleNamespace(neighbours=5), {name: torch.nn.functional.normalize(x) for name, x in raw.items()}
    spaces = {name: {"h": points} for name, points in raw.items()}
    embeddings = SimpleNamespace(spec=spec, labels=labels, classes=4, spaces=spaces, features=unit)
    found = evaluator.evaluate(embeddings)
    scores = {}
    for count, metric in ((5, "cosine"), (1, "cosine"), (5, "euclidean")):
        reference = KNeighborsClassifier(count, metric=metric).fit(raw["train"], labels["train"])
        scores[count, metric] = [100 * reference.score(raw[name], labels[name]) for name in ("validation", "test")]
    assert list(found.values()) == pytest.approx(scores.pop((5, "cosine")))
    assert list(found.values()) not in scores.values()
