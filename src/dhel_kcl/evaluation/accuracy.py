"""How well a classifier does on each subset."""

from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor
from torch.nn.functional import cross_entropy


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

    def record(self) -> dict[str, Any]:
        """The scores, as JSON has them."""
        return {subset: asdict(score) for subset, score in self.scores.items()}


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
