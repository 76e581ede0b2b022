"""The resolved description of one evaluation."""

from dataclasses import dataclass, fields
from typing import Any, Self

from dhel_kcl.training.spec import Spec
from dhel_kcl.views.augment import Augment


@dataclass(frozen=True)
class HeadSettings(Spec):
    """How the linear head of the augmented probe is trained: by SGD whose learning rate falls linearly to 0."""

    epochs: int
    batch_size: int
    learning_rate: float
    momentum: float
    weight_decay: float
    augment: Augment

    @classmethod
    def of(cls, content: dict[str, Any]) -> Self:
        return super().of(_with_augment(content))


@dataclass(frozen=True)
class EvaluationSpec(Spec):
    """Probes and geometry of one run.

    weight_decay: L2 penalty of the cached linear probe. neighbours: that vote in the nearest-neighbour classifier.
    augmented: settings of the linear probe on augmented images, None for no such probe.
    histogram_bins: of the similarity histogram. view_seed: of the two augmented views that alignment is measured on,
    augment: that augmentation. precision: of the augmented probe's encoder; everything else is in float32 or better.
    images: how those of the data set are had, "memory" or "streamed".
    """

    weight_decay: float
    neighbours: int
    augmented: HeadSettings | None
    histogram_bins: int
    view_seed: int
    augment: Augment
    precision: str
    device: str
    threads: int
    images: str

    @classmethod
    def of(cls, content: dict[str, Any]) -> Self:
        head = content.get("augmented")
        augmented = {} if head is None else {"augmented": HeadSettings.of(head)}
        return super().of(_with_augment(content) | augmented)


def _with_augment(content: dict[str, Any]) -> dict[str, Any]:
    """`content` with the augmentation typed, which may leave out what is off."""
    if "augment" not in content:
        return content
    allowed = [field.name for field in fields(Augment)]
    if unknown := sorted(content["augment"].keys() - set(allowed)):
        raise ValueError(f"Augment: unknown key {unknown[0]!r}; allowed: {', '.join(allowed)}")
    return content | {"augment": Augment(**content["augment"])}
