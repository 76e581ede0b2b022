"""Evaluator: logistic regression on features that are computed once, without augmentation.

Its penalty and the features' scaling are chosen on validation, like a loss's setting: by the highest accuracy, then the
lowest cross-entropy, then the first. Test results are never read.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dhel_kcl.evaluation.accuracy import Classification, Score, classification
from dhel_kcl.evaluation.embed import Embeddings
from dhel_kcl.evaluation.logistic import LogisticRegression


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
    return LinearProbes({scaling: fitted(embeddings, scaling) for scaling in embeddings.spec.scaling})


def fitted(embeddings: Embeddings, scaling: str) -> tuple[Probe, ...]:
    """The probes of one scaling."""
    labels, is_unit = embeddings.labels, scaling == "unit"
    features = embeddings.features if is_unit else {name: spaces["h"] for name, spaces in embeddings.spaces.items()}
    regression = LogisticRegression(features["train"], labels["train"], embeddings.classes, standardised=not is_unit)

    def probe(weight_decay: float) -> Probe:
        fit = regression.fit(weight_decay)
        logits = {subset: fit.logits(points) for subset, points in features.items()}
        return Probe(scaling, weight_decay, classification(logits, labels))

    return tuple(probe(weight_decay) for weight_decay in embeddings.spec.weight_decay)
