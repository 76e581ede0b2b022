import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression as Reference
from sklearn.preprocessing import StandardScaler
from torch.nn.functional import cross_entropy, normalize

from dhel_kcl.evaluation import logistic
from dhel_kcl.evaluation.logistic import GAP, LogisticRegression, Whitened


def correlated(count, dim, classes, apart, seed=0):
    """Positive features like those of a network: nearly one direction, the others' spread falling to 1/1000; unit."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, classes, (count,), generator=generator)
    centres = apart * torch.randn(classes, dim, generator=generator)
    spread = torch.logspace(0, -3, dim)
    mixing = torch.linalg.qr(torch.randn(dim, dim, generator=generator)).Q
    points = 5 + ((centres[labels] + torch.randn(count, dim, generator=generator)) * spread) @ mixing
    return normalize(points), labels


def reference(points, labels, weight_decay):
    """scikit-learn's solution to a gradient of 1e-10, as a classifier of ours."""
    model = Reference(C=1 / (weight_decay * len(labels)), tol=1e-10, max_iter=100_000, solver="newton-cholesky")
    model.fit(points.double().numpy(), labels.numpy())
    return logistic.Classifier(torch.from_numpy(model.coef_.copy()), torch.from_numpy(model.intercept_.copy()))


def loss(classifier, points, labels, weight_decay):
    return (
        cross_entropy(classifier.logits(points), labels) + weight_decay / 2 * classifier.weight.square().sum()
    ).item()


@pytest.mark.parametrize("weight_decay", [10.0, 1e-1, 1e-3])
def test_it_is_logistic_regression(points, weight_decay):
    features, labels = points
    ours, theirs = (
        LogisticRegression(features, labels, 4).fit(weight_decay),
        reference(features, labels, weight_decay),
    )
    torch.testing.assert_close(ours.weight, theirs.weight, atol=1e-4, rtol=0)
    centre = lambda logits: logits - logits.mean(dim=1, keepdim=True)  # noqa: E731
    torch.testing.assert_close(centre(ours.logits(features)), centre(theirs.logits(features)), atol=1e-4, rtol=0)


@pytest.mark.parametrize("apart", [1.5, 4])
@pytest.mark.parametrize("weight_decay", [1e-2, 1e-5, 1e-7])
def test_the_loss_is_within_the_gap_of_the_least_and_held_out_predictions_are_those_of_scikit_learn(
    apart, weight_decay
):
    points, labels = correlated(3000, 24, 10, apart)
    train, held_out = (points[:1000], labels[:1000]), points[1000:]
    ours, theirs = LogisticRegression(*train, 10).fit(weight_decay), reference(*train, weight_decay)
    assert loss(ours, *train, weight_decay) - loss(theirs, *train, weight_decay) < GAP
    predictions = [fit.logits(held_out).argmax(dim=1) for fit in (ours, theirs)]
    assert (predictions[0] != predictions[1]).sum() <= 1


@pytest.mark.parametrize("weight_decay", [1e-1, 1e-5])
def test_standardised_features_are_those_of_scikit_learn_over_the_root_of_their_number(weight_decay):
    points, labels = correlated(3000, 24, 10, 3)
    points, (train, held_out) = 7 * points, (slice(0, 1000), slice(1000, None))
    scaler = StandardScaler().fit(points[train].double().numpy())
    scaled = torch.from_numpy(scaler.transform(points.double().numpy())) / 24**0.5
    assert scaled[train].square().sum(dim=1).mean().item() == pytest.approx(1)
    ours = LogisticRegression(points[train], labels[train], 10, standardised=True).fit(weight_decay)
    theirs = reference(scaled[train], labels[train], weight_decay)
    excess = loss(unscaled(ours, scaler), scaled[train], labels[train], weight_decay)
    assert excess - loss(theirs, scaled[train], labels[train], weight_decay) < GAP
    predictions = [fit.logits(each[held_out]).argmax(dim=1) for fit, each in ((ours, points), (theirs, scaled))]
    assert (predictions[0] != predictions[1]).sum() <= 1


def unscaled(fit, scaler):
    """The classifier of standardised features over the root of their number that is `fit` of the features."""
    mean, scale = torch.from_numpy(scaler.mean_), torch.from_numpy(scaler.scale_) * len(scaler.mean_) ** 0.5
    return logistic.Classifier(fit.weight * scale, fit.bias + fit.weight @ mean)


@pytest.mark.parametrize("constant", [0.0, 0.1, -7.3])
def test_a_feature_that_is_constant_tells_nothing_where_it_is_not(points, constant):
    features, labels = points
    features[:, 5] = constant * (1 + torch.finfo().eps * torch.randint(-1, 2, (200,)))
    fit = LogisticRegression(features, labels, 4, standardised=True).fit(1e-5)
    assert fit.weight[:, 5].abs().max() * max(1, abs(constant)) < 1e-3 * fit.weight.abs().max()


@pytest.mark.parametrize("standardised", [False, True])
@pytest.mark.parametrize("case", ["fewer points than features", "a constant feature", "a class without points"])
def test_degenerate_points_have_a_solution(case, standardised):
    points, labels = correlated(60, 12, 3, 1)
    if case == "fewer points than features":
        points, labels = points[:8], labels[:8]
    elif case == "a constant feature":
        points[:, 3] = 0.25
    else:
        labels = labels.clamp(max=1)
    fit = LogisticRegression(points, labels, 3, standardised).fit(1e-4)
    assert cross_entropy(fit.logits(points), labels) < np.log(3)
    assert fit.weight.isfinite().all()
    if case == "a class without points":
        assert (fit.logits(points).argmax(dim=1) < 2).all()


def test_the_gradient_is_that_of_autograd_and_the_hessian_at_zero_is_one():
    points, labels = correlated(50, 6, 3, 1)
    problem = Whitened(LogisticRegression(points, labels, 3), 1e-3)
    at = np.random.default_rng(0).standard_normal(21)
    value, gradient = problem(at)
    coordinates = torch.from_numpy(at).requires_grad_()
    weight = coordinates[:18].view(3, 6) @ torch.linalg.inv(problem.factor)
    bias = coordinates[18:] * 3**0.5 - weight @ points.double().mean(dim=0)
    theirs = cross_entropy(points.double() @ weight.T + bias, labels) + 1e-3 / 2 * weight.square().sum()
    theirs.backward()
    assert value == pytest.approx(theirs.item(), abs=1e-12)
    np.testing.assert_allclose(gradient, coordinates.grad, atol=1e-9)

    step = np.empty(21)
    step[:18] = 1e-4 * (at[:18].reshape(3, 6) - at[:18].reshape(3, 6).mean(axis=0)).ravel()
    step[18:] = 1e-4 * (at[18:] - at[18:].mean())
    change = (problem(step)[1] - problem(-step)[1]) / 2
    np.testing.assert_allclose(change, step, atol=1e-9)


def test_blocks_change_rounding_alone(points, monkeypatch):
    features, labels = points
    whole = LogisticRegression(features, labels, 4).fit(1e-3)
    monkeypatch.setattr(logistic, "BLOCK", 12 * 7)
    parts = LogisticRegression(features, labels, 4).fit(1e-3)
    torch.testing.assert_close(parts.weight, whole.weight, atol=1e-9, rtol=0)
    torch.testing.assert_close(parts.logits(features), whole.logits(features), atol=1e-9, rtol=0)


def test_the_same_problem_has_the_same_solution_to_the_bit(points):
    features, labels = points
    first, second = (LogisticRegression(features, labels, 4).fit(1e-5) for _ in range(2))
    assert torch.equal(first.weight, second.weight)
    assert torch.equal(first.bias, second.bias)


def test_a_solution_that_float64_cannot_improve_is_one(points, monkeypatch):
    features, labels = points
    monkeypatch.setattr(logistic, "GAP", 0.0)
    ours, theirs = LogisticRegression(features, labels, 4).fit(1e-6), reference(features, labels, 1e-6)
    assert loss(ours, features, labels, 1e-6) - loss(theirs, features, labels, 1e-6) < 1e-12


def test_a_penalty_too_small_for_float64_is_an_error(points):
    features, labels = points
    with pytest.raises(ValueError, match=r"the probe with weight_decay 1e-30 .* raise probe.weight_decay"):
        LogisticRegression(features, labels, 4).fit(1e-30)
