"""Crops, flips and rotations of image batches: each pixel of a view from pixels of its image.

Antialiased bicubic crops are PIL's (uint8 after each pass) to 2/255, bilinear rotations torchvision's to 1e-5.
"""

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import grid_sample

from dhel_kcl.views.parameters import Parameters, to_device


def resample(images: Tensor, drawn: Parameters, height: int, width: int) -> Tensor:
    """Cropped, flipped and rotated images (B, C, height, width), float32 in [0, 1]."""
    size, device = images.shape[2:], images.device
    box, flip = drawn.box, None if drawn.flip is None else to_device(drawn.flip, device)
    if drawn.corner is not None:
        return padded(images, to_device(drawn.corner, device), flip)
    if box is None and drawn.angle is None and size == (height, width):
        views = images.float().div_(255)
        return views if flip is None else torch.where(flip[:, None, None, None], views.flip(3), views)
    if box is None:
        box = np.array([[0, 0, *size]], dtype=np.float32).repeat(len(images), axis=0)
    if drawn.angle is None:
        return bicubic(images, to_device(box, device), flip, height, width)
    return bilinear(images, rotation_maps(box, drawn.flip, drawn.angle, *size), height, width)


def padded(images: Tensor, corner: Tensor, flip: Tensor | None) -> Tensor:
    """Crops of the images' size at `corner` (B, 2), pixels outside being reflected at the outermost ones, and flip."""
    count, channels, height, width = images.shape
    columns = torch.arange(width, device=images.device).expand(count, -1)
    if flip is not None:
        columns = torch.where(flip[:, None], columns.flip(1), columns)
    rows = torch.arange(height, device=images.device) + corner[:, :1]
    rows, columns = (
        (side - 1) - ((side - 1) - place.abs()).abs()
        for place, side in ((rows, height), (columns + corner[:, 1:], width))
    )
    places = (rows[:, None, :, None] * width + columns[:, None, None, :]).flatten(2).expand(-1, channels, -1)
    return images.flatten(2).gather(2, places).view_as(images).float().div_(255)


def bicubic(images: Tensor, box: Tensor, flip: Tensor | None, height: int, width: int) -> Tensor:
    """PIL's crop to `box` (B, 4) and antialiased bicubic resize, horizontally and then vertically, and flip (B,).

    Pillow 13 and later shrink vertically first if the height shrinks much more than the width.
    """
    count, channels = images.shape[:2]
    top, left, tall, wide = box.unbind(1)
    rows = bicubic_weights(top, tall, None, images.shape[2], height)
    columns = bicubic_weights(left, wide, flip, images.shape[3], width)
    lines = torch.bmm(images.float().flatten(1, 2), columns.mT).round_().clamp_(0, 255)
    lines = lines.view(count, channels, -1, width)
    # Channels outermost in memory: one matrix product each, and colour operations read whole planes.
    views = torch.empty(channels, count, height, width, device=images.device)
    for channel in range(channels):
        torch.bmm(rows, lines[:, channel], out=views[channel])
    return views.round_().clamp_(0, 255).div_(255).transpose(0, 1)


def bicubic_weights(start: Tensor, length: Tensor, flip: Tensor | None, pixels: int, size: int) -> Tensor:
    """Weights (B, size, pixels) that resize pixels start ... start + length to `size`, in reverse where flipped.

    The cubic kernel (a = -1/2) is stretched for shrinking and cut off at the box; the weights sum to 1.
    """
    start, scale = start[:, None], length[:, None] / size
    centre = torch.arange(0.5, size, device=start.device) * scale
    if flip is not None:
        centre = torch.where(flip[:, None], centre.flip(1), centre)
    place = torch.arange(0.5, pixels, device=start.device) - start
    place = place.masked_fill_((place < 0) | (place > length[:, None]), torch.inf)
    stretch = scale.clamp(min=1)
    distance = ((place / stretch)[:, None, :] - (centre / stretch)[:, :, None]).abs_()
    # With o = (2 - distance)+ and i = (1 - distance)+ the two cubic pieces are o^2 (o - 1) / 2 - i^2 (2 i - 1).
    outer = distance.neg_().add_(2).clamp_(min=0)
    inner = (outer - 1).clamp_(min=0)
    weights = (outer / 2).sub_(0.5).mul_(outer).mul_(outer)
    weights -= (inner * 2).sub_(1).mul_(inner).mul_(inner)
    return weights.div_(weights.sum(dim=2, keepdim=True))


def rotation_maps(box: NDArray, flip: NDArray | None, angle: NDArray, high: int, broad: int) -> NDArray:
    """Affine maps (B, 2, 3) from (x, y, 1) in a view to (x, y) in the image, the borders of both at -1 and 1.

    The box is flipped and then rotated about its centre.
    """
    top, left, tall, wide = box.T
    x, y = 2 * left + wide - broad, 2 * top + tall - high
    if flip is not None:
        wide = np.where(flip, -wide, wide)
    cos, sin = np.cos(angle), np.sin(angle)
    pixels = np.stack([wide * cos, -tall * sin, x, wide * sin, tall * cos, y], axis=1).reshape(-1, 2, 3)
    return pixels / np.array([[broad], [high]], dtype=np.float32)


def bilinear(images: Tensor, maps: NDArray, height: int, width: int) -> Tensor:
    """Images resampled along the maps (B, 2, 3) of their coordinates, with zeros outside."""
    rows = to_device(maps, images.device).view(-1, 3)
    grid = (rows @ _lattice(height, width, images.device)).view(-1, 2, height, width).permute(0, 2, 3, 1)
    return grid_sample(images.float().div_(255), grid, mode="bilinear", padding_mode="zeros", align_corners=False)


@cache
def _lattice(height: int, width: int, device: torch.device) -> Tensor:
    """Coordinates (x, y, 1) of the pixels of a view, its borders at -1 and 1, shape (3, height * width)."""
    y, x = (torch.arange(1 - side, side, 2, device=device) / side for side in (height, width))
    return torch.stack([x.repeat(height), y.repeat_interleave(width), torch.ones(height * width, device=device)])
