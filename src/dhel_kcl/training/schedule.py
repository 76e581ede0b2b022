"""What a run does when: which images in which order, under which seeds, at which learning rate.

All of it follows from the spec and the number of the step, so a resumed run needs no record of what was drawn before.
"""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from torch import Generator, Tensor, randperm

from dhel_kcl.training.spec import PretrainSpec
from dhel_kcl.views.view_source import Batch


@dataclass(frozen=True)
class Schedule:
    """Steps of a run, numbered from 0.

    images: that there are to train on; each epoch leaves out those that do not fill a batch.
    batch_size: instances M. steps: of the run; the last epoch ends with them. peak: learning rate after the warm-up,
    which takes the share `warmup` of the steps.
    """

    images: int
    batch_size: int
    steps: int
    peak: float
    warmup: float
    seed: int

    @classmethod
    def of(cls, spec: PretrainSpec, images: int) -> Self:
        """Of a run on so many images. Raises ValueError if a batch takes more."""
        size, training = spec.batch_size, spec.training
        if images < size:
            raise ValueError(f"batch_size {size} is larger than the training set of {images} images")
        peak = training.learning_rate * size / training.reference_batch_size
        return cls(images, size, spec.steps(images), peak, training.warmup, spec.seed)

    @property
    def steps_per_epoch(self) -> int:
        return self.images // self.batch_size

    def learning_rate(self, step: int) -> float:
        return learning_rate(step, self.steps, self.peak, self.warmup)

    def batch(self, step: int, rank: int = 0, world: int = 1) -> Batch:
        """Images and seed of a step's views, of which process `rank` of `world` makes its share."""
        epoch, number = divmod(step, self.steps_per_epoch)
        index = _order(self.images, seed_of(self.seed, "epoch", epoch))
        own = index[number * self.batch_size : (number + 1) * self.batch_size]
        return Batch(own.numpy(), seed_of(self.seed, "step", step), rank=rank, world=world)

    def batches(self, first: int, rank: int = 0, world: int = 1) -> Iterator[Batch]:
        """Those of step `first` and all that follow."""
        return (self.batch(step, rank, world) for step in range(first, self.steps))


def learning_rate(step: int, steps: int, peak: float, warmup: float) -> float:
    """Rate of update number `step` of `steps`: linear warm-up over the share `warmup`, then cosine to 0."""
    warmup_steps = max(1, round(warmup * steps))
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup_steps) / max(1, steps - warmup_steps)))


def seed_of(seed: int, what: str, number: int) -> int:
    """Seed of one epoch's order or of one step's views."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{what}/{number}".encode()).digest()[:7], "big")


@lru_cache(2)
def _order(images: int, seed: int) -> Tensor:
    """Order of one epoch. Two are kept: views of the next one are prepared while this one lasts."""
    return randperm(images, generator=Generator().manual_seed(seed))
