"""How well a classifier does on each subset, and the record of an evaluation's classifiers."""

from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor
from torch.nn.functional import cross_entropy

from dhel_kcl.evaluation.spec import EvaluationSpec


@dataclass(frozen=True)
class Score:
    """Accuracy (%) and mean cross-entropy (nats) on a number of images."""

    accuracy: float
    cross_entropy: float
    images: int


@dataclass(frozen=True)
class Classification:
    """What a classifier of all images is worth: its score on each subset, and the class it gives each test image."""

    scores: dict[str, Score]
    predictions: list[int]


def classification(logits: dict[str, Tensor], labels: dict[str, Tensor]) -> Classification:
    """From logits (N, classes) and labels (N,) of each subset."""
    scores = {
        subset: Score(
            accuracy=100 * (logits[subset].argmax(dim=1) == labels[subset]).double().mean().item(),
            cross_entropy=cross_entropy(logits[subset], labels[subset]).item(),
            images=len(labels[subset]),
        )
        for subset in logits
    }
    return Classification(scores, logits["test"].argmax(dim=1).tolist())


def record(
    spec: EvaluationSpec, linear: Classification, neighbours: dict[str, float], augmented: Classification | None = None
) -> dict[str, Any]:
    """Content of probe.json: the scores of the augmented probe where there is one, else those of the linear probe."""

    def of(protocol: str, probe: Classification) -> dict[str, Any]:
        return {"protocol": protocol} | {subset: asdict(score) for subset, score in probe.scores.items()}

    cached = of("cached", linear)
    scores = cached if augmented is None else of("augmented", augmented)
    before = {} if augmented is None else {"protocol": "augmented", "cached": cached}
    return before | scores | {"knn": neighbours, "spec": spec.as_dict()}
