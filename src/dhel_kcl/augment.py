"""Random views of image batches, drawn and applied to the whole batch at once."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

TRIES = 10


@dataclass(frozen=True)
class Augment:
    """Crop-and-resize, rotation, brightness and contrast, each with its own random parameters per image.

    Applied in that order, the geometric part as one bilinear resampling with zeros outside the image.

    crop_scale: range of the crop's area as a share of the image's, its aspect ratio log-uniform in [3/4, 4/3];
        redrawn while it does not fit, and the whole image after 10 tries, as torchvision's RandomResizedCrop does.
    rotation: the angle is uniform in [-rotation, rotation] degrees.
    brightness, contrast: factors uniform in [1 - x, 1 + x], contrast about the image's mean.
    """

    crop_scale: tuple[float, float]
    rotation: float
    brightness: float
    contrast: float

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Views of uint8 images (B, C, H, W), float32 in [0, 1], same shape."""
        views = images.float() / 255
        grid = affine_grid(self._geometry(len(images), generator), list(images.shape), align_corners=False)
        views = grid_sample(views, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
        views = views * self._factor(self.brightness, len(images), generator)
        mean = views.mean(dim=(1, 2, 3), keepdim=True)
        return (mean + (views - mean) * self._factor(self.contrast, len(images), generator)).clamp(0, 1)

    def _geometry(self, count: int, generator: torch.Generator) -> Tensor:
        """Maps from output to input coordinates in [-1, 1]^2, shape (count, 2, 3)."""
        area = _uniform((count, TRIES), *self.crop_scale, generator)
        aspect = _uniform((count, TRIES), -math.log(4 / 3), math.log(4 / 3), generator).exp()
        widths, heights = (area * aspect).sqrt(), (area / aspect).sqrt()
        fits = (widths <= 1) & (heights <= 1)
        first = fits.float().argmax(dim=1, keepdim=True)  # the first maximum
        whole = ~fits.any(dim=1)
        width = widths.gather(1, first)[:, 0].masked_fill(whole, 1.0)
        height = heights.gather(1, first)[:, 0].masked_fill(whole, 1.0)
        x = _uniform((count,), -1, 1, generator) * (1 - width)
        y = _uniform((count,), -1, 1, generator) * (1 - height)
        angle = _uniform((count,), -self.rotation, self.rotation, generator) * (math.pi / 180)
        cos, sin = angle.cos(), angle.sin()
        rows = [width * cos, -height * sin, x, width * sin, height * cos, y]
        return torch.stack(rows, dim=1).view(count, 2, 3)

    def _factor(self, spread: float, count: int, generator: torch.Generator) -> Tensor:
        return _uniform((count, 1, 1, 1), 1 - spread, 1 + spread, generator)


def _uniform(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=generator) * (high - low) + low
