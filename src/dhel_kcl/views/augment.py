"""Random views of image batches: drawn per image, applied to the whole batch at once, the same on CPU and GPU.

The parameters follow the laws of torchvision's transforms and are drawn on the host. Given them, a crop is PIL's
(antialiased bicubic, uint8 after each pass) to 2/255, any other operation torchvision's on float tensors to 1e-5.
"""

import math
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import grid_sample

from dhel_kcl.views.crops import LOG_ASPECTS, TRIES, Crops

BLENDS = ("brightness", "contrast", "saturation")
"""Blends of a view with black, with the mean of its grey, with its grey."""
CHUNK = 64 * 3 * 32 * 32
"""Pixel values that a processor treats at a time, so that they stay in its cache."""


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
        for name in ("crop_scale", "blur_sigma"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name}: {low} is above {high}")
        if self.pad and (tuple(self.crop_scale) != (1, 1) or self.size or self.rotation):
            raise ValueError("pad excludes crop_scale, size and rotation: it crops the image's own size, unscaled")

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Views of uint8 images (B, C, H, W), C = 1 or 3: float32 in [0, 1], shape (B, C, size, size)."""
        drawn = self.draw(len(images), images.shape[2], images.shape[3], generator)
        with torch.autocast(images.device.type, enabled=False):  # crops need float32 products
            return self.apply(images, drawn)

    def draw(self, count: int, height: int, width: int, generator: torch.Generator) -> Parameters:
        """Parameters of `count` views of images of this size."""

        def uniform(low: float, high: float, *columns: int) -> NDArray:
            return draw_uniform(generator, (count, *columns), low, high)

        drawn: dict[str, NDArray] = {}
        if crops := self.draw_crops(count, generator):
            drawn["box"] = crops.boxes(height, width)
        if self.pad:
            if self.pad >= min(height, width):
                raise ValueError(f"pad must be below the image's sides of {height} and {width} pixels, got {self.pad}")
            drawn["corner"] = np.floor(uniform(0, 2 * self.pad + 1, 2)).astype(int) - self.pad
        if self.flip:
            drawn["flip"] = uniform(0, 1) < self.flip
        if self.rotation:
            drawn["angle"] = uniform(-math.radians(self.rotation), math.radians(self.rotation))
        spreads = np.array([getattr(self, name) for name in BLENDS], dtype=np.float32)
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
        return Parameters(**drawn)

    def draw_crops(self, count: int, generator: torch.Generator) -> Crops | None:
        """Crops of `count` images, of whatever size; None if they are left whole. What `draw` draws first."""
        if tuple(self.crop_scale) == (1, 1):
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
        device = images.device
        views = resample(images, drawn, height, width)
        jitter(views, drawn)
        if drawn.grey is not None:
            rows = to_device(drawn.grey.nonzero()[0], device)
            views.index_copy_(0, rows, luma(views.index_select(0, rows)).expand(-1, views.shape[1], -1, -1))
        if drawn.sigma is not None:
            blurred = drawn.sigma.nonzero()[0]
            rows, sigma = (to_device(values, device) for values in (blurred, drawn.sigma[blurred]))
            views.index_copy_(0, rows, gaussian_blur(views.index_select(0, rows), sigma, self.blur_kernel))
        return views


def draw_uniform(generator: torch.Generator, shape: tuple[int, ...], low: float, high: float) -> NDArray:
    draws = torch.rand(shape, generator=generator, device=generator.device).cpu().numpy()
    return draws * (high - low) + low


def to_device(values: NDArray, device: torch.device) -> Tensor:
    """Array as a tensor on `device`; the copy to a GPU does not wait for what the GPU has still to do."""
    tensor = torch.from_numpy(values)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


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


def jitter(views: Tensor, drawn: Parameters) -> None:
    """Blends and shift of the hue, in place, of views that are sorted by `drawn.before`.

    Each takes its blends in its own order, the first `before` of them ahead of the hue: a slice of the batch.
    """
    shares = torch.empty(0)
    if drawn.blend is not None and drawn.factor is not None:
        shares = to_device(blend_shares(drawn.blend, drawn.factor), views.device)
    slots = len(shares)
    ends = [len(views)] * (slots + 1)
    if drawn.before is not None:
        ends = np.bincount(drawn.before, minlength=slots + 2).cumsum().tolist()
    jittered = ends[slots]
    for slot in range(slots):
        if ends[slot] < jittered:
            blend(views[ends[slot] : jittered], *shares[slot, :, ends[slot] : jittered])
    if drawn.shift is not None and jittered and views.shape[1] == 3:
        shift_hue(views[:jittered], to_device(drawn.shift[:jittered], views.device))
    for slot in range(slots):
        if ends[slot]:
            blend(views[: ends[slot]], *shares[slot, :, : ends[slot]])


def blend_shares(kind: NDArray, factor: NDArray) -> NDArray:
    """Shares (n, 3, B, 1, 1, 1) of the view, of its mean grey and of its grey in blends of `kind` (B, n)."""
    rest = 1 - factor
    shares = np.stack([factor, *(rest * (kind == BLENDS.index(name)) for name in ("contrast", "saturation"))])
    return shares.transpose(2, 0, 1)[..., None, None, None]


def blend(views: Tensor, view: Tensor, mean: Tensor, own: Tensor) -> None:
    """view * views + mean * their mean grey + own * their grey, clipped to [0, 1], in place."""
    grey = luma(views)
    target = grey.mean(dim=(2, 3), keepdim=True).mul_(mean)
    if views.shape[1] == 1:  # its own grey
        view = view + own
    else:
        target = grey.mul_(own).add_(target)
    views.mul_(view).add_(target).clamp_(0, 1)


def luma(views: Tensor) -> Tensor:
    """Grey (B, 1, H, W) of views; a grey view itself."""
    if views.shape[1] == 1:
        return views
    red, green, blue = views.split(1, dim=1)
    return (red * 0.2989).add_(green, alpha=0.587).add_(blue, alpha=0.114)


def shift_hue(views: Tensor, shift: Tensor) -> None:
    """Add `shift` (B,), in turns, to the hue of colour views in the HSV hexcone, in place."""
    red, green, blue = views.split(1, dim=1)
    low, high = torch.minimum(red, green).minimum(blue), torch.maximum(red, green).maximum(blue)
    chroma = high - low
    # The hue from red (0) over green (2) to cyan (3), or over blue (-2) to cyan (-3), is +- this sum over the chroma.
    hue = (green + blue).sub_(red).add_(high).sub_(low, alpha=2).copysign_(green - blue)
    hue = hue.div_(chroma.mul(6).clamp_(min=1e-12)).add_(shift.view(-1, 1, 1, 1) + 1).frac_().mul_(6)
    # A channel is `high` within 1 of its own hue and `low` beyond 2; red, at 0 and 6, in terms of its opposite.
    for channel, centre, base, sign in ((red, 3, low, 1), (green, 2, high, -1), (blue, 4, high, -1)):
        share = (hue - centre).abs_().sub_(1).clamp_(0, 1)
        torch.addcmul(base, chroma, share, value=sign, out=channel)


def gaussian_blur(views: Tensor, sigma: Tensor, kernel: int) -> Tensor:
    """Views blurred by `kernel` pixels with standard deviations `sigma` (B,) in pixels, reflected at the borders."""
    down, across = (gaussian_weights(sigma, kernel, side) for side in views.shape[2:])
    return torch.stack([down @ plane @ across.mT for plane in views.unbind(1)], dim=1)


def gaussian_weights(sigma: Tensor, kernel: int, pixels: int) -> Tensor:
    """Matrices (B, pixels, pixels) of a blur along a line that is reflected at its ends."""
    half = kernel // 2
    if kernel % 2 == 0 or half >= pixels:
        raise ValueError(f"blur_kernel must be odd and below {2 * pixels}, twice the view's side, got {kernel}")
    taps = torch.arange(2 * pixels, device=sigma.device)
    weights = torch.exp(-0.5 * (taps / sigma[:, None]).square()) * (taps <= half)
    weights = weights / (2 * weights.sum(dim=1, keepdim=True) - weights[:, :1])
    place = torch.arange(pixels, device=sigma.device)
    to, of = place[:, None], place[None, :]
    direct, first, last = (to - of).abs(), to + of, 2 * (pixels - 1) - to - of
    return weights[:, direct] + weights[:, first] * (of > 0) + weights[:, last] * (of < pixels - 1)
