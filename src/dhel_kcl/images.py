"""Where the images of a batch come from: augmented views for training, plain images for evaluation.

What is random is a function of the seed given with the batch alone and is drawn for the whole batch, so processes that
share a batch see together exactly what one process would see.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dhel_kcl.augment import Augment, Parameters, to_device
from dhel_kcl.datasets.prepared import Prepared


class Source(ABC):
    """Some rows of a data set: `channels`, len(), and batches of float32 images in [0, 1] on one device."""

    channels: int

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def views(
        self,
        index: NDArray | Tensor,
        augment: Augment,
        generator_seed: int,
        copies: int = 2,
        rank: int = 0,
        world: int = 1,
    ) -> Tensor:
        """Views (copies * B / world, C, height, width) of this rank's share: first all first views, then all second.

        Args:
            index: (B,), the whole batch as positions within the source's rows.
            augment: how views are made.
            generator_seed: all that the random parameters depend on, besides B and copies.
            copies: views of each image.
            rank, world: of `world` equal slices of the batch, the one to give.

        Raises ValueError if the batch cannot be shared equally.
        """

    @abstractmethod
    def plain(self, batch: int, size: int | None = None) -> Iterator[Tensor]:
        """All images in order, in batches, whole and unaugmented, resized to size x size (None: as they are)."""


class InMemory(Source):
    """Images of one size, kept on the device."""

    def __init__(self, images: NDArray, device: torch.device) -> None:
        self.images = torch.from_numpy(images).to(device)
        self.channels = images.shape[1]

    def __len__(self) -> int:
        return len(self.images)

    def views(
        self,
        index: NDArray | Tensor,
        augment: Augment,
        generator_seed: int,
        copies: int = 2,
        rank: int = 0,
        world: int = 1,
    ) -> Tensor:
        rows = own_rows(len(index), copies, rank, world)
        generator = torch.Generator().manual_seed(generator_seed)
        height, width = self.images.shape[2:]
        drawn = augment.draw(copies * len(index), height, width, generator).rows(rows)
        chosen = np.asarray(index)[rows % len(index)]
        device = self.images.device
        with torch.autocast(device.type, enabled=False):  # crops need float32 products
            return augment.apply(self.images.index_select(0, to_device(chosen, device)), drawn)

    def plain(self, batch: int, size: int | None = None) -> Iterator[Tensor]:
        for part in self.images.split(batch):
            yield Augment(size=size).apply(part, Parameters())


def open_source(data: Prepared, rows: NDArray, device: torch.device, workers: int = 0) -> Source:
    """Source of the images `rows` of a data set; `workers` is for data sets of encoded images."""
    return InMemory(data.images[rows], device)


def own_rows(batch: int, copies: int, rank: int, world: int) -> NDArray:
    """Which of the copies * batch views are this rank's: a slice of the batch, in each copy."""
    if batch % world:
        raise ValueError(f"a batch of {batch} cannot be shared equally by {world} processes")
    share = batch // world
    return (np.arange(copies)[:, None] * batch + np.arange(rank * share, (rank + 1) * share)).ravel()
