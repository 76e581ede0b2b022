"""Colours and blur of batches of views, float32 in [0, 1]: torchvision's operations on float tensors, to 1e-5."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dhel_kcl.views.parameters import BLENDS, Parameters, to_device


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


def make_grey(views: Tensor, which: NDArray) -> None:
    """Replace the views number `which` by their grey, in place."""
    rows = to_device(which, views.device)
    views.index_copy_(0, rows, luma(views.index_select(0, rows)).expand(-1, views.shape[1], -1, -1))


def blur(views: Tensor, which: NDArray, sigma: NDArray, kernel: int) -> None:
    """`gaussian_blur` of the views number `which`, in place."""
    rows, deviations = to_device(which, views.device), to_device(sigma, views.device)
    views.index_copy_(0, rows, gaussian_blur(views.index_select(0, rows), deviations, kernel))


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
