"""The law of torchvision's RandomResizedCrop, for images whose sizes are not known when it is drawn."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

TRIES = 10
ASPECTS = (3 / 4, 4 / 3)
LOG_ASPECTS = (math.log(ASPECTS[0]), math.log(ASPECTS[1]))


class Crops(NamedTuple):
    """Random crops of B images of yet unknown sizes; the first try that fits is taken."""

    area: NDArray
    """(B, TRIES): share of the image's area."""
    aspect: NDArray
    """(B, TRIES): width / height."""
    place: NDArray
    """(B, 2) in [0, 1): where the crop lies between top and bottom, left and right."""

    def rows(self, index: NDArray | slice) -> "Crops":
        return Crops(*(values[index] for values in self))

    def boxes(self, height: int, width: int) -> NDArray:
        """Top, left, height and width in whole pixels (B, 4), in images of this size."""
        areas = self.area * (height * width)
        heights, widths = np.rint(np.sqrt(areas / self.aspect)), np.rint(np.sqrt(areas * self.aspect))
        fits = (heights > 0) & (heights <= height) & (widths > 0) & (widths <= width)
        every, first = np.arange(len(fits)), fits.argmax(axis=1)
        tall, wide = heights[every, first], widths[every, first]
        top, left = np.floor(self.place[:, 0] * (height + 1 - tall)), np.floor(self.place[:, 1] * (width + 1 - wide))
        boxes = np.stack([top, left, tall, wide], axis=1)
        # If none fits, the largest central box of allowed aspect ratio.
        high, broad = min(height, round(width / ASPECTS[0])), min(width, round(height * ASPECTS[1]))
        boxes[~fits[every, first]] = (height - high) // 2, (width - broad) // 2, high, broad
        return boxes
