"""Random views of image batches: drawn per image, applied to the whole batch at once, the same on CPU and GPU.

The parameters follow the laws of torchvision's transforms and are drawn on the host. Given them, a crop is PIL's
(antialiased bicubic, uint8 after each pass) to 2/255, any other operation torchvision's on float tensors to 1e-5.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dhel_kcl.views.colours import blur, jitter, make_grey
from dhel_kcl.views.crops import LOG_ASPECTS, TRIES, Crops
from dhel_kcl.views.parameters import Parameters, to_device
from dhel_kcl.views.resampling import resample

CHUNK = 64 * 3 * 32 * 32
"""Pixel values that a processor treats at a time, so that they stay in its cache."""


@dataclass(frozen=True)
class Augment:
    """Crop and flip, colour jitter, greyscale, blur, in this order; each is off by default.

    crop_scale: range of the crop's area as a share of the image's; its aspect ratio is log-uniform in [3/4, 4/3];
        redrawn while it does not fit, after 10 tries the largest central crop. (1, 1) is the whole image.
    pad: pixels by which the image is continued by reflection, to draw from it a crop of the image's size; excludes
        crop_scale, size and rotation.
    size: height and width of a view; None: the image's.
    flip, jitter, grey, blur: probabilities; jitter is that of brightness, contrast, saturation and hue together.
    rotation: the angle is uniform in [-rotation, rotation] degrees. If not 0, crop, flip and rotation are one bilinear
        resampling with zeros outside the image.
    brightness, contrast, saturation, hue: in a random order; factors uniform in [1 - x, 1 + x], the hue's shift in
        [-x, x] turns.
    blur_kernel, blur_sigma: pixels (odd), and the range of the uniform standard deviation in pixels.
    """

    crop_scale: tuple[float, float] = (1.0, 1.0)
    pad: int = 0
    size: int | None = None
    flip: float = 0.0
    rotation: float = 0.0
    jitter: float = 1.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    grey: float = 0.0
    blur: float = 0.0
    blur_kernel: int = 23
    blur_sigma: tuple[float, float] = (0.2, 2.0)

    def __post_init__(self) -> None:
        for name, (low, high) in {"crop_scale": self.crop_scale, "blur_sigma": self.blur_sigma}.items():
            if low > high:
                raise ValueError(f"{name}: {low} is above {high}")
            object.__setattr__(self, name, (low, high))  # JSON has lists
        if self.pad and (self.crop_scale != (1, 1) or self.size or self.rotation):
            raise ValueError("pad excludes crop_scale, size and rotation: it crops the image's own size, unscaled")

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Views of uint8 images (B, C, H, W), C = 1 or 3: float32 in [0, 1], shape (B, C, size, size)."""
        drawn = self.draw(len(images), images.shape[2], images.shape[3], generator)
        with torch.autocast(images.device.type, enabled=False):  # crops need float32 products
            return self.apply(images, drawn)

    def draw(self, count: int, height: int, width: int, generator: torch.Generator) -> Parameters:
        """Parameters of `count` views of images of this size."""
        places = self._draw_places(count, height, width, generator)
        return Parameters(**places, **self._draw_colours(count, generator))

    def _draw_places(self, count: int, height: int, width: int, generator: torch.Generator) -> dict[str, NDArray]:
        """What `resample` needs."""
        drawn: dict[str, NDArray] = {}
        if crops := self.draw_crops(count, generator):
            drawn["box"] = crops.boxes(height, width)
        if self.pad:
            if self.pad >= min(height, width):
                raise ValueError(f"pad must be below the image's sides of {height} and {width} pixels, got {self.pad}")
            corner = draw_uniform(generator, (count, 2), 0, 2 * self.pad + 1)
            drawn["corner"] = np.floor(corner).astype(int) - self.pad
        if self.flip:
            drawn["flip"] = draw_uniform(generator, (count,), 0, 1) < self.flip
        if self.rotation:
            angle = math.radians(self.rotation)
            drawn["angle"] = draw_uniform(generator, (count,), -angle, angle)
        return drawn

    def _draw_colours(self, count: int, generator: torch.Generator) -> dict[str, NDArray]:
        """What `jitter` needs, and which views are grey or blurred."""

        def uniform(low: float, high: float, *columns: int) -> NDArray:
            return draw_uniform(generator, (count, *columns), low, high)

        drawn: dict[str, NDArray] = {}
        spreads = np.array([self.brightness, self.contrast, self.saturation], dtype=np.float32)  # as in BLENDS
        kinds = np.flatnonzero(spreads)
        if len(kinds):
            drawn["blend"] = kinds[uniform(0, 1, len(kinds)).argsort()]
            drawn["factor"] = 1 + spreads[drawn["blend"]] * uniform(-1, 1, len(kinds))
        if self.hue:
            drawn["shift"] = uniform(-self.hue, self.hue)
            drawn["before"] = uniform(0, len(kinds) + 1).astype(int)
        if self.jitter < 1:
            before = drawn.get("before", np.zeros(count, dtype=int))
            drawn["before"] = np.where(uniform(0, 1) < self.jitter, before, len(kinds) + 1)
        if self.grey:
            drawn["grey"] = uniform(0, 1) < self.grey
        if self.blur:
            drawn["sigma"] = uniform(*self.blur_sigma) * (uniform(0, 1) < self.blur)
        return drawn

    def draw_crops(self, count: int, generator: torch.Generator) -> Crops | None:
        """Crops of `count` images, of whatever size; None if they are left whole. What `draw` draws first."""
        if self.crop_scale == (1, 1):
            return None
        area = draw_uniform(generator, (count, TRIES), *self.crop_scale)
        aspect = np.exp(draw_uniform(generator, (count, TRIES), *LOG_ASPECTS))
        return Crops(area, aspect, draw_uniform(generator, (count, 2), 0, 1))

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:
        """Views of uint8 images (B, C, H, W) with given parameters."""
        count, channels = images.shape[:2]
        if channels not in (1, 3):
            raise ValueError(f"images must have 1 or 3 channels, got shape {tuple(images.shape)}")
        height, width = (self.size or side for side in images.shape[2:])
        chunk = max(1, CHUNK // (channels * height * width)) if images.device.type == "cpu" else count
        if parameters.before is None and count <= chunk:
            return self._views(images, parameters, height, width).contiguous()
        # Sorted, so that `jitter` works on slices.
        order = np.arange(count) if parameters.before is None else parameters.before.argsort()
        parameters, index = parameters.rows(order), to_device(order, images.device)
        images = images.index_select(0, index)
        views = torch.empty(count, channels, height, width, device=images.device)
        for start in range(0, count, chunk):
            rows = slice(start, start + chunk)
            views.index_copy_(0, index[rows], self._views(images[rows], parameters.rows(rows), height, width))
        return views

    def _views(self, images: Tensor, drawn: Parameters, height: int, width: int) -> Tensor:
        """Views of images that are sorted by `drawn.before`."""
        views = resample(images, drawn, height, width)
        jitter(views, drawn)
        if drawn.grey is not None:
            make_grey(views, drawn.grey.nonzero()[0])
        if drawn.sigma is not None:
            blurred = drawn.sigma.nonzero()[0]
            blur(views, blurred, drawn.sigma[blurred], self.blur_kernel)
        return views


def draw_uniform(generator: torch.Generator, shape: tuple[int, ...], low: float, high: float) -> NDArray:
    draws = torch.rand(shape, generator=generator, device=generator.device).cpu().numpy()
    return draws * (high - low) + low
