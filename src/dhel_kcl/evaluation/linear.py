"""Evaluator: logistic regression on features that are computed once, without augmentation.

Its penalty and the features' scaling are chosen on validation, like a loss's setting: by the highest accuracy, then the
lowest cross-entropy, then the first. Test results are never read.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from dhel_kcl.evaluation.accuracy import Classification, Score, classification
from dhel_kcl.evaluation.embed import Embeddings
from dhel_kcl.evaluation.logistic import LogisticRegression

CONSTANT = 1e-5
"""Spread over mean of a feature that differs by float32's rounding alone."""


@dataclass(frozen=True)
class Probe:
    """A regression with a scaling and a penalty: its scores on all subsets and its predictions on test."""

    scaling: str
    weight_decay: float
    classification: Classification

    @property
    def validation(self) -> Score:
        return self.classification.scores["validation"]


@dataclass(frozen=True)
class LinearProbes:
    """Every probe that was fitted: for each scaling in the spec's order, one a penalty in the spec's order."""

    probes: dict[str, tuple[Probe, ...]]

    @property
    def chosen(self) -> Probe:
        """Over all scalings and penalties."""
        return best([best(probes) for probes in self.probes.values()])

    def record(self) -> dict[str, Any]:
        """Content of probe.json that is about these: the chosen probe, then each scaling's at its chosen penalty with
        the validation scores that this was chosen by."""
        scalings = {}
        for scaling, probes in self.probes.items():
            candidates = [{"weight_decay": each.weight_decay} | asdict(each.validation) for each in probes]
            probe = best(probes)
            scalings[scaling] = (
                {"weight_decay": probe.weight_decay} | probe.classification.record() | {"candidates": candidates}
            )
        chosen = self.chosen
        setting = {"scaling": chosen.scaling, "weight_decay": chosen.weight_decay}
        return {"protocol": "cached"} | setting | chosen.classification.record() | {"scalings": scalings}


def best(probes: Sequence[Probe]) -> Probe:
    """That of the highest validation accuracy, then of the lowest validation cross-entropy, then the first."""
    return min(probes, key=lambda probe: (-probe.validation.accuracy, probe.validation.cross_entropy))


def evaluate(embeddings: Embeddings) -> LinearProbes:
    """Fitted on the training images' features h in each scaling, with each penalty of the spec."""
    spec, labels, classes = embeddings.spec, embeddings.labels, embeddings.classes
    probes: dict[str, tuple[Probe, ...]] = {}
    for scaling in spec.scaling:
        features = SCALINGS[scaling](embeddings)
        regression = LogisticRegression(features["train"], labels["train"], classes)
        probes[scaling] = tuple(
            Probe(scaling, weight_decay, fitted(regression, weight_decay, features, labels))
            for weight_decay in spec.weight_decay
        )
    return LinearProbes(probes)


def fitted(
    regression: LogisticRegression, weight_decay: float, features: dict[str, Tensor], labels: dict[str, Tensor]
) -> Classification:
    """The regression's solution, on each subset's features (N, d)."""
    classifier = regression.fit(weight_decay)
    return classification({subset: classifier.logits(points) for subset, points in features.items()}, labels)


def standardised(features: dict[str, Tensor]) -> dict[str, Tensor]:
    """Each feature minus its mean over the training images, over its standard deviation there and over sqrt(d).

    So a training image's squared length is 1 on average, and a penalty weighs about what it does on unit vectors. What
    is constant in training is 0.
    """
    spread, mean = torch.std_mean(features["train"], dim=0, correction=0)
    constant = spread <= CONSTANT * mean.abs()
    scale = torch.where(constant, 0.0, 1 / (spread * len(spread) ** 0.5).masked_fill(constant, 1.0))
    return {subset: (points - mean) * scale for subset, points in features.items()}


SCALINGS: dict[str, Callable[[Embeddings], dict[str, Tensor]]] = {
    "unit": lambda embeddings: embeddings.features,
    "standardised": lambda embeddings: standardised(
        {subset: spaces["h"] for subset, spaces in embeddings.spaces.items()}
    ),
}
"""Features (N, d) of each subset, by the name in the config: L2-normalised, or standardised."""
