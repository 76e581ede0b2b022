"""Where the images of a batch come from: augmented views for training, plain images for evaluation.

What is random is a function of the seed given with the batch alone and is drawn for the whole batch, so processes that
share a batch see together exactly what one process would see.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dhel_kcl.data.prepared import Prepared
from dhel_kcl.registry import resolve
from dhel_kcl.views.augment import Augment


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

    @classmethod
    @abstractmethod
    def open(cls, data: Prepared, rows: NDArray, device: torch.device, workers: int) -> Self:
        """Source of the images `rows`; `workers` as of `open_source`."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def views(self, batches: Iterable[Batch], augment: Augment) -> Iterator[Tensor]:
        """For each batch this rank's views (copies * B / world, C, height, width): all first ones, then all second
        ones. What takes long is prepared ahead, so batches are asked for before they are given."""

    @abstractmethod
    def plain(self, batch: int, size: int | None = None) -> Iterator[Tensor]:
        """All images in order, in batches, without augmentation; size: height and width, None for the images' own."""


def open_source(data: Prepared, rows: NDArray, device: torch.device, workers: int, images: str) -> Source:
    """Source of the images `rows` of a data set.

    Args:
        data: the data set.
        rows: numbers of images in it.
        device: where batches are wanted.
        workers: processes that decode encoded images; 0: this process does.
        images: "memory" or "streamed", as the spec says.

    Raises ValueError if the data set was not prepared to be had that way.
    """
    if data.encoded != (images == "streamed"):
        form = "images of one size as pixels" if images == "memory" else "the encoded files of its images"
        raise ValueError(
            f"the spec says images: {images}, for which the data set should hold {form}, and its manifest.json states "
            "otherwise; delete the data set's folder and run again to prepare it anew"
        )
    source: Source = resolve("source", images).open(data, rows, device, workers)
    return source
