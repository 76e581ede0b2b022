"""Evaluator: the vote of the nearest training images."""

import torch
from torch import Tensor

from dhel_kcl.evaluation.embed import Embeddings

ROWS = 128
"""Images whose similarities to the training images are computed at a time."""


def evaluate(embeddings: Embeddings) -> dict[str, float]:
    """By cosine of the features h."""
    spec = embeddings.spec
    return nearest_neighbours(embeddings.features, embeddings.labels, embeddings.classes, spec.neighbours)


def nearest_neighbours(
    features: dict[str, Tensor], labels: dict[str, Tensor], classes: int, neighbours: int
) -> dict[str, float]:
    """Accuracy (%) on validation and test of the vote of the `neighbours` training images of highest cosine.

    features: unit vectors (N, d) of each subset. Ties between classes go to the one of least index.
    """
    result = {}
    for subset in ("validation", "test"):
        votes = []
        for chunk in features[subset].split(ROWS):
            nearest = (chunk @ features["train"].T).topk(min(neighbours, len(features["train"])), dim=1).indices
            ones = torch.zeros(len(chunk), classes, device=chunk.device)
            votes.append(ones.scatter_add_(1, labels["train"][nearest], torch.ones_like(nearest, dtype=ones.dtype)))
        # The first of equal maxima; argmax promises none in particular.
        counts = torch.cat(votes)
        predictions = (counts == counts.amax(dim=1, keepdim=True)).int().argmax(dim=1)
        result[subset] = 100 * (predictions == labels[subset]).double().mean().item()
    return result
