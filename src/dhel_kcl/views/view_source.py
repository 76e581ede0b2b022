"""Where the images of a batch come from: augmented views for training, plain images for evaluation.

What is random is a function of the seed given with the batch alone and is drawn for the whole batch, so processes that
share a batch see together exactly what one process would see.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dhel_kcl.data.prepared import Prepared
from dhel_kcl.registry import resolve
from dhel_kcl.views.augment import Augment, Parameters, to_device


@dataclass(frozen=True, eq=False)
class Batch:
    """What views to make. Raises ValueError from `own_*` if the processes cannot share the batch equally."""

    index: NDArray
    """(B,): the whole batch, as positions within the source's rows."""
    seed: int
    """All that the random parameters depend on, besides B and copies."""
    copies: int = 2
    """Views of each image."""
    rank: int = 0
    world: int = 1
    """Of `world` equal slices of the batch, number `rank` is wanted."""

    @property
    def own_images(self) -> slice:
        """This rank's slice of the batch."""
        if len(self.index) % self.world:
            raise ValueError(f"a batch of {len(self.index)} cannot be shared equally by {self.world} processes")
        share = len(self.index) // self.world
        return slice(self.rank * share, (self.rank + 1) * share)

    @property
    def own_views(self) -> NDArray:
        """Which of the copies * B views are this rank's: its slice of the batch, in each copy."""
        return np.arange(self.copies * len(self.index)).reshape(self.copies, -1)[:, self.own_images].ravel()

    def generator(self) -> torch.Generator:
        return torch.Generator().manual_seed(self.seed)


class Source(ABC):
    """Some rows of a data set: len(), and batches of float32 images in [0, 1] on one device."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def views(self, batches: Iterable[Batch], augment: Augment) -> Iterator[Tensor]:
        """For each batch this rank's views (copies * B / world, C, height, width): all first ones, then all second
        ones. What takes long is prepared ahead, so batches are asked for before they are given."""

    @abstractmethod
    def plain(self, batch: int, size: int | None = None) -> Iterator[Tensor]:
        """All images in order, in batches, without augmentation; size: height and width, None for the images' own."""


class InMemory(Source):
    """Images of one size, kept on the device."""

    def __init__(self, images: NDArray, device: torch.device) -> None:
        self.images = torch.from_numpy(images).to(device)

    def __len__(self) -> int:
        return len(self.images)

    def views(self, batches: Iterable[Batch], augment: Augment) -> Iterator[Tensor]:
        device, (height, width) = self.images.device, self.images.shape[2:]
        for batch in batches:
            drawn = augment.draw(batch.copies * len(batch.index), height, width, batch.generator())
            chosen = np.tile(batch.index[batch.own_images], batch.copies)
            with torch.autocast(device.type, enabled=False):  # crops need float32 products
                images = self.images.index_select(0, to_device(chosen, device))
                views = augment.apply(images, drawn.rows(batch.own_views))
            yield views

    def plain(self, batch: int, size: int | None = None) -> Iterator[Tensor]:
        for part in self.images.split(batch):
            with torch.autocast(part.device.type, enabled=False):
                images = Augment(size=size).apply(part, Parameters())
            yield images


def open_source(data: Prepared, rows: NDArray, device: torch.device, workers: int = 0) -> Source:
    """Source of the images `rows` of a data set.

    workers: processes that decode encoded images; 0: this process does.
    """
    if data.encoded:
        streamed: Source = resolve("source", "streamed")(data, rows, device, workers)
        return streamed
    return InMemory(data.images[rows], device)
