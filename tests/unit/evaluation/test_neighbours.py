import pytest
from sklearn.neighbors import KNeighborsClassifier

from dhel_kcl.evaluation.neighbours import nearest_neighbours


@pytest.mark.parametrize("neighbours", [1, 5, 20])
def test_nearest_neighbours_vote_as_in_scikit_learn(subsets, neighbours):
    features, labels = subsets
    reference = KNeighborsClassifier(neighbours, metric="cosine").fit(features["train"], labels["train"])
    ours = nearest_neighbours(features, labels, 4, neighbours)
    assert ours.keys() == {"validation", "test"}
    for subset in ours:
        assert ours[subset] == pytest.approx(100 * reference.score(features[subset], labels[subset]))
