import numpy as np

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
    assert result.scores["train"].accuracy > 60
    assert result.scores["test"].images == 50
