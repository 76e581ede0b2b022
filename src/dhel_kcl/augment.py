"""Random views of image batches: drawn per image, applied to the whole batch at once, the same on CPU and GPU.

The parameters follow the laws of torchvision's transforms. Given them, a crop is PIL's (antialiased bicubic, uint8
after each pass) to 1/255 and every other operation is torchvision's on float tensors.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

TRIES = 10
ASPECTS = (3 / 4, 4 / 3)
BLENDS = ("brightness", "contrast", "saturation")
"""Blends of a view with black, with the mean of its grey, with its grey."""
CHUNK = 64 * 3 * 32 * 32
"""Pixel values that a processor treats at a time, so that they stay in its cache."""


class Parameters(NamedTuple):
    """Random parameters of B views, one row a view; None for what is off."""

    box: Tensor | None = None
    """(B, 4): top, left, height and width of the crop in pixels."""
    flip: Tensor | None = None
    """(B,): are left and right swapped?"""
    angle: Tensor | None = None
    """(B,): rotation in radians."""
    blend: Tensor | None = None
    """(B, n): indices into BLENDS, in the order of application."""
    factor: Tensor | None = None
    """(B, n): share of the view in each blend."""
    before: Tensor | None = None
    """(B,): number of blends before the hue's shift; n + 1 for a view without any colour jitter."""
    shift: Tensor | None = None
    """(B,): of the hue, in turns."""
    grey: Tensor | None = None
    """(B,): is the view grey?"""
    sigma: Tensor | None = None
    """(B,): standard deviation of the blur in pixels, 0 for none."""

    def rows(self, index: Tensor) -> "Parameters":
        return Parameters(*(None if values is None else values[index] for values in self))


@dataclass(frozen=True)
class Augment:
    """Crop and flip, colour jitter, greyscale, blur, in this order; each is off by default.

    crop_scale: range of the crop's area as a share of the image's; its aspect ratio is log-uniform in [3/4, 4/3];
        redrawn while it does not fit, after 10 tries the largest central crop. (1, 1) is the whole image.
    size: height and width of a view; None: the image's.
    flip, jitter, grey, blur: probabilities; jitter is that of brightness, contrast, saturation and hue together.
    rotation: the angle is uniform in [-rotation, rotation] degrees. If not 0, crop, flip and rotation are one bilinear
        resampling with zeros outside the image.
    brightness, contrast, saturation, hue: in a random order; factors uniform in [1 - x, 1 + x], the hue's shift in
        [-x, x] turns.
    blur_kernel, blur_sigma: pixels (odd), and the range of the uniform standard deviation in pixels.
    """

    crop_scale: tuple[float, float] = (1.0, 1.0)
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

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Views of uint8 images (B, C, H, W), C = 1 or 3: float32 in [0, 1], shape (B, C, size, size)."""
        return self.apply(images, self.draw(len(images), *images.shape[2:], generator))

    def draw(self, count: int, height: int, width: int, generator: torch.Generator) -> Parameters:
        """Parameters of `count` views of images of this size, on the generator's device."""
        device = generator.device

        def uniform(low: float, high: float, *columns: int) -> Tensor:
            return torch.rand(count, *columns, generator=generator, device=device).mul_(high - low).add_(low)

        drawn: dict[str, Tensor] = {}
        if tuple(self.crop_scale) != (1, 1):
            areas = uniform(*self.crop_scale, TRIES) * (height * width)
            aspects = uniform(math.log(ASPECTS[0]), math.log(ASPECTS[1]), TRIES).exp_()
            drawn["box"] = crop_boxes(areas, aspects, uniform(0, 1, 2), height, width)
        if self.flip:
            drawn["flip"] = uniform(0, 1) < self.flip
        if self.rotation:
            drawn["angle"] = uniform(-math.radians(self.rotation), math.radians(self.rotation))
        spreads = [getattr(self, name) for name in BLENDS]
        kinds = [kind for kind, spread in enumerate(spreads) if spread]
        if kinds:
            drawn["blend"] = torch.tensor(kinds, device=device)[uniform(0, 1, len(kinds)).argsort()]
            spread = torch.tensor(spreads, device=device)[drawn["blend"]]
            drawn["factor"] = uniform(-1, 1, len(kinds)).mul_(spread).add_(1)
        if self.hue:
            drawn["shift"] = uniform(-self.hue, self.hue)
            drawn["before"] = uniform(0, len(kinds) + 1).int()
        if self.jitter < 1:
            without = uniform(0, 1) >= self.jitter
            before = drawn.get("before", torch.zeros(count, dtype=torch.int32, device=device))
            drawn["before"] = before.masked_fill(without, len(kinds) + 1)
        if self.grey:
            drawn["grey"] = uniform(0, 1) < self.grey
        if self.blur:
            drawn["sigma"] = uniform(*self.blur_sigma) * (uniform(0, 1) < self.blur)
        return Parameters(**drawn)

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:
        """Views of uint8 images (B, C, H, W) with given parameters."""
        count, channels = images.shape[:2]
        if channels not in (1, 3):
            raise ValueError(f"images must have 1 or 3 channels, got shape {tuple(images.shape)}")
        height, width = (self.size or side for side in images.shape[2:])
        views = torch.empty(count, channels, height, width, device=images.device)
        chunk = max(1, CHUNK // (channels * height * width)) if views.device.type == "cpu" else count
        # Sorted, so that `jitter` works on slices.
        order = torch.arange(count) if parameters.before is None else parameters.before.argsort()
        for rows in order.split(chunk):
            index, drawn = rows.to(views.device), parameters.rows(rows)
            part = resample(images.index_select(0, index), drawn, height, width)
            jitter(part, drawn)
            if drawn.grey is not None:
                part = torch.where(drawn.grey.to(part.device)[:, None, None, None], luma(part), part)
            if drawn.sigma is not None:
                part = gaussian_blur(part, drawn.sigma, self.blur_kernel)
            views.index_copy_(0, index, part)
        return views


def crop_boxes(areas: Tensor, aspects: Tensor, places: Tensor, height: int, width: int) -> Tensor:
    """Top, left, height and width in whole pixels (B, 4), as torchvision's RandomResizedCrop finds them.

    areas, aspects: (B, TRIES), square pixels and width / height; the first that fits is taken.
    places: (B, 2) in [0, 1), the box's place between the borders.
    """
    # If none fits, the largest central box of allowed aspect ratio.
    central = min(height, round(width / ASPECTS[0])), min(width, round(height * ASPECTS[1]))
    tries = torch.stack([areas / aspects, areas * aspects], dim=2).sqrt_().round_()
    sizes = torch.cat([tries, areas.new_tensor(central).expand(len(areas), 1, 2)], dim=1)
    bounds = areas.new_tensor([height, width])
    first = ((sizes > 0) & (sizes <= bounds)).all(dim=2).byte().argmax(dim=1)  # the first maximum
    size = sizes[torch.arange(len(sizes)), first]
    room = bounds - size
    corner = torch.where(first[:, None] == areas.shape[1], (room / 2).floor_(), (places * (room + 1)).floor_())
    return torch.cat([corner, size], dim=1)


def resample(images: Tensor, drawn: Parameters, height: int, width: int) -> Tensor:
    """Cropped, flipped and rotated images (B, C, height, width), float32 in [0, 1]."""
    size = images.shape[2:]
    if drawn.box is None and drawn.angle is None and size == (height, width):
        views = images.float().div_(255)
        return views if drawn.flip is None else torch.where(_column(drawn.flip, views), views.flip(3), views)
    box = torch.tensor([[0.0, 0.0, *size]]).expand(len(images), 4) if drawn.box is None else drawn.box
    sign = torch.ones(len(images)) if drawn.flip is None else 1 - 2 * drawn.flip.float()
    box, sign = box.to(images.device), sign.to(images.device)
    if drawn.angle is None:
        return bicubic(images, box, sign, height, width)
    return bilinear(images, box, sign, drawn.angle.to(images.device), height, width)


def bicubic(images: Tensor, box: Tensor, sign: Tensor, height: int, width: int) -> Tensor:
    """PIL's crop and antialiased bicubic resize; box (B, 4); flipped where sign (B,) is -1."""
    count, channels = images.shape[:2]
    top, left, tall, wide = box.unbind(1)
    rows = bicubic_weights(top, tall, torch.ones_like(sign), images.shape[2], height)
    columns = bicubic_weights(left, wide, sign, images.shape[3], width)
    lines = torch.bmm(images.float().flatten(1, 2), columns.mT).round_().clamp_(0, 255)
    lines = lines.view(count, channels, -1, width)
    # Channels outermost in memory: one matrix product each, and colour operations read whole planes.
    views = torch.empty(channels, count, height, width, device=images.device)
    for channel in range(channels):
        torch.bmm(rows, lines[:, channel], out=views[channel])
    return views.round_().clamp_(0, 255).div_(255).transpose(0, 1)


def bicubic_weights(start: Tensor, length: Tensor, sign: Tensor, pixels: int, size: int) -> Tensor:
    """Weights (B, size, pixels) that resize pixels start ... start + length to `size`, in reverse where sign is -1.

    The cubic kernel (a = -1/2) is stretched for shrinking and cut off at the box; the weights sum to 1.
    """
    start, length, sign = start[:, None], length[:, None], sign[:, None]
    scale = length / size
    stretch = scale.clamp(min=1)
    centre = start + length / 2 + sign * scale * (torch.arange(size, device=start.device) - (size - 1) / 2)
    place = torch.arange(pixels, device=start.device) + 0.5
    place = torch.where((place > start) & (place < start + length), place, torch.inf)
    distance = ((place / stretch)[:, None, :] - (centre / stretch)[:, :, None]).abs_()
    # With o = (2 - distance)+ and i = (1 - distance)+ the two cubic pieces are o^2 (o - 1) / 2 + i^2 (1 - 2 i).
    outer = distance.neg_().add_(2).clamp_(min=0)
    inner = (outer - 1).clamp_(min=0)
    weights = (outer / 2).sub_(0.5).mul_(outer).mul_(outer)
    weights += (1 - 2 * inner).mul_(inner).mul_(inner)
    return weights.div_(weights.sum(dim=2, keepdim=True))


def bilinear(images: Tensor, box: Tensor, sign: Tensor, angle: Tensor, height: int, width: int) -> Tensor:
    """Crop, flip and rotation about the box's centre in one bilinear resampling with zeros outside the image."""
    top, left, tall, wide = box.unbind(1)
    high, broad = images.shape[2:]
    cos, sin = angle.cos(), angle.sin()
    # From the view's to the image's coordinates, both in [-1, 1].
    across = [sign * wide * cos / broad, -tall * sin / broad, (2 * left + wide) / broad - 1]
    down = [sign * wide * sin / high, tall * cos / high, (2 * top + tall) / high - 1]
    grid = affine_grid(torch.stack(across + down, 1).view(-1, 2, 3), [len(box), 1, height, width], align_corners=False)
    return grid_sample(images.float().div_(255), grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def jitter(views: Tensor, drawn: Parameters) -> None:
    """Blends and shift of the hue, in place, of views that are sorted by `drawn.before`.

    Each takes its blends in its own order, the first `before` of them ahead of the hue: a slice of the batch.
    """
    slots = 0 if drawn.blend is None else drawn.blend.shape[1]
    ends = [len(views)] * (slots + 1)
    if drawn.before is not None:
        ends = drawn.before.bincount(minlength=slots + 2).cumsum(0).tolist()
    jittered = ends[slots]

    def blends(slot: int, part: slice) -> None:
        if part.start < part.stop:
            blend(views[part], drawn.blend[part, slot].to(views.device), drawn.factor[part, slot].to(views.device))

    for slot in range(slots):
        blends(slot, slice(ends[slot], jittered))
    if drawn.shift is not None and jittered:
        shift_hue(views[:jittered], drawn.shift[:jittered].to(views.device))
    for slot in range(slots):
        blends(slot, slice(0, ends[slot]))


def blend(views: Tensor, kind: Tensor, factor: Tensor) -> None:
    """factor * view + (1 - factor) * (0, mean of grey, grey), by `kind` as in BLENDS, clipped, in place."""
    rest = 1 - factor
    grey = luma(views)
    target = grey * _column(rest * (kind == 2), views)
    target += _column(rest * (kind == 1), views) * grey.mean(dim=(1, 2, 3), keepdim=True)
    views.mul_(_column(factor, views)).add_(target).clamp_(0, 1)


def luma(views: Tensor) -> Tensor:
    """Grey (B, 1, H, W) of colour or grey views."""
    if views.shape[1] == 1:
        return views
    red, green, blue = views.split(1, dim=1)
    return (red * 0.2989).add_(green, alpha=0.587).add_(blue, alpha=0.114)


def shift_hue(views: Tensor, shift: Tensor) -> None:
    """Add `shift` (B,), in turns, to the hue of colour views in the HSV hexcone, in place."""
    if views.shape[1] == 1:
        return
    red, green, blue = views.split(1, dim=1)
    low, high = torch.minimum(red, green).minimum(blue), torch.maximum(red, green).maximum(blue)
    chroma = high - low
    # Six times the hue times the chroma: that of the sector whose colour is the largest.
    hue = torch.where(high == green, (blue - red).add_(chroma, alpha=2), (red - green).add_(chroma, alpha=4))
    hue = torch.where(high == red, green - blue, hue)
    hue = hue.div_(chroma.mul(6).clamp_(min=1e-12)).add_(_column(shift + 1, views)).frac_().mul_(6)
    for channel, centre in zip((red, green, blue), (3, 2, 4), strict=True):
        # Share of the chroma on top of `low`, a trapezium of the hue: the one of red is upside down.
        share = (hue - centre).abs_()
        share = share.sub_(1) if centre == 3 else share.neg_().add_(2)
        torch.addcmul(low, chroma, share.clamp_(0, 1), out=channel)


def gaussian_blur(views: Tensor, sigma: Tensor, kernel: int) -> Tensor:
    """Views blurred with a kernel of `kernel` pixels, reflected at the borders; sigma (B,), 0 leaves a view alone."""
    rows = sigma.nonzero()[:, 0]
    index, sigma = rows.to(views.device), sigma[rows].to(views.device)
    down, across = (gaussian_weights(sigma, kernel, side) for side in views.shape[2:])
    planes = [torch.bmm(torch.bmm(down, plane), across.mT) for plane in views.index_select(0, index).unbind(1)]
    return views.index_copy(0, index, torch.stack(planes, dim=1))


def gaussian_weights(sigma: Tensor, kernel: int, pixels: int) -> Tensor:
    """Matrices (B, pixels, pixels) of a blur along a line that is reflected at its ends."""
    half = kernel // 2
    if half >= pixels:
        raise ValueError(f"blur_kernel must be below twice the image's {pixels} pixels, got {kernel}")
    taps = torch.arange(2 * pixels, device=sigma.device)
    weights = torch.exp(-0.5 * (taps / sigma[:, None]).square()) * (taps <= half)
    weights = weights / (2 * weights.sum(dim=1, keepdim=True) - weights[:, :1])
    place = torch.arange(pixels, device=sigma.device)
    to, of = place[:, None], place[None, :]
    direct, first, last = (to - of).abs(), to + of, 2 * (pixels - 1) - to - of
    return weights[:, direct] + weights[:, first] * (of > 0) + weights[:, last] * (of < pixels - 1)


def _column(values: Tensor, views: Tensor) -> Tensor:
    """Values (B,) in the shape and on the device of views (B, C, H, W)."""
    return values.to(views.device).view(-1, 1, 1, 1)
