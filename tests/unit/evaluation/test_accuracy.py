import numpy as np
import pytest

from dhel_kcl.evaluation.accuracy import classification
from dhel_kcl.evaluation.logistic import LogisticRegression


def test_accuracy_is_the_share_of_right_predictions(subsets):
    features, labels = subsets
    fit = LogisticRegression(features["train"], labels["train"], 4).fit(1e-3)
    logits = {subset: fit.logits(points) for subset, points in features.items()}
    result = classification(logits, labels)
    predicted = logits["test"].argmax(dim=1)
    assert result.predictions == predicted.tolist()
    assert result.scores["test"].accuracy == 100 * np.mean((predicted == labels["test"]).numpy())
    likelihoods = logits["test"].log_softmax(dim=1)[range(50), labels["test"]]
    assert result.scores["test"].cross_entropy == pytest.approx(-likelihoods.mean().item())
    assert result.scores["train"].accuracy > 60
    assert 0 < result.scores["train"].cross_entropy < np.log(4)
    assert result.scores["test"].images == 50
