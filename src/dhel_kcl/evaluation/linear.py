"""Evaluator: logistic regression on features that are computed once, without augmentation."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor
from torch.nn.functional import cross_entropy

from dhel_kcl.evaluation.accuracy import Classification, classification
from dhel_kcl.evaluation.embed import Embeddings

OPTIONS = {"maxiter": 10_000, "maxfun": 20_000, "gtol": 1e-7, "ftol": 0, "maxcor": 20}
"""Of L-BFGS: on until the gradient is small."""


def evaluate(embeddings: Embeddings) -> Classification:
    """Fitted on the L2-normalised features h of the training images."""
    features, labels = embeddings.features, embeddings.labels
    logits = linear_probe(features, labels, embeddings.classes, embeddings.spec.weight_decay)
    return classification(logits, labels)


def linear_probe(
    features: dict[str, Tensor], labels: dict[str, Tensor], classes: int, weight_decay: float
) -> dict[str, Tensor]:
    """Logits (N, classes) of each subset's features (N, d) by a regression fitted on those of "train"."""
    weight, bias = fit_linear(features["train"], labels["train"], classes, weight_decay)
    return {subset: points.double() @ weight + bias for subset, points in features.items()}


def fit_linear(features: Tensor, labels: Tensor, classes: int, weight_decay: float) -> tuple[Tensor, Tensor]:
    """Multinomial logistic regression: least mean cross-entropy + weight_decay / 2 ||W||^2, by L-BFGS in float64.

    Args:
        features: shape (N, d).
        labels: shape (N,), in 0 ... classes - 1.
        classes: number of them.
        weight_decay: > 0, which makes the problem strictly convex in W and its solution independent of any seed.

    Returns:
        Weights (d, classes) and bias (classes,), float64.
    """
    features, dim = features.double(), features.shape[1]

    def objective(flat: NDArray) -> tuple[float, NDArray]:
        parameters = torch.from_numpy(flat).to(features.device).requires_grad_()
        weight, bias = parameters[:-classes].view(dim, classes), parameters[-classes:]
        loss = cross_entropy(features @ weight + bias, labels) + weight_decay / 2 * weight.square().sum()
        (gradient,) = torch.autograd.grad(loss, parameters)
        return loss.item(), gradient.cpu().numpy()

    solution = minimize(objective, np.zeros((dim + 1) * classes), jac=True, method="L-BFGS-B", options=OPTIONS)
    parameters = torch.from_numpy(solution.x).to(features.device)
    return parameters[:-classes].view(dim, classes), parameters[-classes:]
