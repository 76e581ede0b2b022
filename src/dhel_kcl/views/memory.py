"""Images of one size, kept on the device as uint8 and cut out there."""

from collections.abc import Iterable, Iterator
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dhel_kcl.data.prepared import Prepared
from dhel_kcl.views.augment import Augment
from dhel_kcl.views.parameters import Parameters, to_device
from dhel_kcl.views.view_source import Batch, Source


class InMemory(Source):
    """Images (N, C, H, W) uint8, with a copy on the device."""

    def __init__(self, images: NDArray, device: torch.device) -> None:
        self.images = torch.from_numpy(images).to(device)

    @classmethod
    def open(cls, data: Prepared, rows: NDArray, device: torch.device, workers: int) -> Self:
        return cls(data.images[rows], device)

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
