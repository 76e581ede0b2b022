import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from dhel_kcl.evaluation.linear import fit_linear


@pytest.mark.parametrize("weight_decay", [1e-1, 1e-3])
def test_the_probe_is_logistic_regression(points, weight_decay):
    features, labels = points
    weight, bias = fit_linear(features, labels, 4, weight_decay)
    reference = LogisticRegression(C=1 / (weight_decay * len(labels)), tol=1e-10, max_iter=10_000)
    theirs = reference.fit(features.double().numpy(), labels.numpy()).decision_function(features.double().numpy())
    ours = (features.double() @ weight + bias).numpy()
    centre = lambda logits: logits - logits.mean(axis=1, keepdims=True)  # noqa: E731
    np.testing.assert_allclose(centre(ours), centre(theirs), atol=1e-4)
