"""What a batch's random views are, once they are drawn: numbers on the host, one row a view."""

from typing import NamedTuple

import torch
from numpy.typing import NDArray
from torch import Tensor

BLENDS = ("brightness", "contrast", "saturation")
"""Blends of a view with black, with the mean of its grey, with its grey."""


class Parameters(NamedTuple):
    """Random parameters of B views, one row a view, on the host; None for what is off."""

    box: NDArray | None = None
    """(B, 4): top, left, height and width of the crop in pixels."""
    corner: NDArray | None = None
    """(B, 2): top and left of the crop from the padded image, in pixels from the image's own."""
    flip: NDArray | None = None
    """(B,): are left and right swapped?"""
    angle: NDArray | None = None
    """(B,): rotation in radians."""
    blend: NDArray | None = None
    """(B, n): indices into BLENDS, in the order of application."""
    factor: NDArray | None = None
    """(B, n): share of the view in each blend."""
    before: NDArray | None = None
    """(B,): number of blends before the hue's shift; n + 1 for a view without any colour jitter."""
    shift: NDArray | None = None
    """(B,): of the hue, in turns."""
    grey: NDArray | None = None
    """(B,): is the view grey?"""
    sigma: NDArray | None = None
    """(B,): standard deviation of the blur in pixels, 0 for none."""

    def rows(self, index: NDArray | slice) -> "Parameters":
        return Parameters(*(None if values is None else values[index] for values in self))


def to_device(values: NDArray, device: torch.device) -> Tensor:
    """Array as a tensor on `device`; the copy to a GPU does not wait for what the GPU has still to do."""
    tensor = torch.from_numpy(values)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)
