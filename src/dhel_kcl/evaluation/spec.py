"""The resolved description of one evaluation."""

from dataclasses import dataclass
from typing import Literal

from dhel_kcl.training.spec import Spec
from dhel_kcl.views.augment import Augment


@dataclass(frozen=True)
class HeadSettings:
    """How the linear head of the augmented probe is trained: by SGD whose learning rate falls linearly to 0."""

    epochs: int
    batch_size: int
    learning_rate: float
    momentum: float
    weight_decay: float
    augment: Augment


@dataclass(frozen=True)
class EvaluationSpec(Spec):
    """Probes and geometry of one run.

    dataset: whose images are embedded.
    weight_decay, scaling: L2 penalties of the cached linear probe and scalings of its features, chosen from on
    validation; where there is one of each there is no choice. neighbours: that vote in the nearest-neighbour
    classifier.
    augmented: settings of the linear probe on augmented images, None for no such probe.
    histogram_bins: of the similarity histogram. view_seed: of the two augmented views that alignment is measured on,
    augment: that augmentation. training_pairs: training images, drawn with view_seed, whose two views the variance of
    negative similarities is measured on, or all if there are fewer; 0 for no such measure.
    precision: of the augmented probe's encoder; everything else is in float32 or better.
    images: how the data set's images are had, by the registry's sources.
    """

    dataset: str
    weight_decay: tuple[float, ...]
    scaling: tuple[Literal["unit", "standardised"], ...]
    neighbours: int
    augmented: HeadSettings | None
    histogram_bins: int
    view_seed: int
    training_pairs: int
    augment: Augment
    precision: str
    device: str
    threads: int
    images: Literal["memory", "streamed"]
