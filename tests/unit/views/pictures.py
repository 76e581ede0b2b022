"""Images, recipes and sources for the tests of views."""

import numpy as np
import torch

from dhel_kcl.data import prepared
from dhel_kcl.data.sources.digits import DESCRIPTION
from dhel_kcl.views.view_source import Batch, open_source

CPU = torch.device("cpu")
JITTER = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1}
PAPER = {"crop_scale": (0.08, 1.0), "flip": 0.5, "jitter": 0.8, **JITTER, "grey": 0.2, "blur": 0.5}
"""CIFAR's recipe and ImageNet's blur."""
DIGITS = {"crop_scale": (0.6, 1.0), "rotation": 15, "brightness": 0.4, "contrast": 0.4}


def images(count=15, channels=3, height=32, width=None):
    """Noise, smooth gradients of nearly grey colours, and black and white, in turn."""
    random = np.random.default_rng(0)
    width = width or height
    noise = random.integers(0, 256, (count, channels, height, width))
    smooth = np.linspace(0, 250, width) + 2 * random.random((count, channels, height, 1))
    binary = 255 * random.integers(0, 2, (count, channels, height, width))
    kind = np.arange(count)[:, None, None, None] % 3
    return torch.from_numpy(np.select([kind == 0, kind == 1], [noise, smooth], binary).astype(np.uint8))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def close(ours, theirs):
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


def in_memory(pixels, rows=None):
    pixels = pixels.numpy()
    count = len(pixels)
    manifest = prepared.Manifest(DESCRIPTION, pixels.shape, 1, {})
    data = prepared.Prepared(pixels, np.zeros(count, np.int64), np.zeros(count, np.uint8), manifest)
    return open_source(data, np.arange(count) if rows is None else rows, CPU, 0, "memory")


def views_of(source, index, augment, seed, *batch, **options):
    (views,) = source.views([Batch(np.asarray(index), seed, *batch, **options)], augment)
    return views
