"""How many images a second this device trains on, or embeds: of random images that are kept on it."""

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dhel_kcl.training import cores
from dhel_kcl.training.device import Group, Place
from dhel_kcl.training.networks import build_encoder
from dhel_kcl.training.spec import PretrainSpec
from dhel_kcl.training.trainer import Trainer
from dhel_kcl.views.augment import Augment

SECONDS = 3.0
"""Length of one benchmark."""


def views_per_second(spec: PretrainSpec, channels: int, side: int, place: torch.device, seconds: float) -> float:
    """Views a second of a training step of one process: augmentation, both passes, update.

    Args:
        spec: whose precision is taken as it is; "auto" is for `device.choose`.
        channels, side: of the images.
        place: the device.
        seconds: that the benchmark takes, about.
    """
    torch.set_num_threads(cores.taken(spec.threads))
    pixels, generator = _random_images(spec.batch_size, channels, side, place)
    labels = torch.zeros(spec.batch_size, dtype=torch.long, device=place)
    trainer = Trainer.build(spec, channels, 2, Place(place, spec.precision, Group(place, 1)))

    def step(batch: int) -> None:
        views = spec.augment(pixels[:batch].repeat(2, 1, 1, 1), generator)
        trainer.step(views, labels[:batch], 1e-3)["loss"].item()

    return 2 * rate(step, spec.batch_size, seconds)


def embedded_per_second(
    backbone: dict[str, Any],
    augment: Augment,
    shape: tuple[int, int, int, int],
    threads: int,
    place: torch.device,
    seconds: float,
) -> float:
    """Images a second that a frozen encoder embeds, augmented, in batches of `shape` (B, C, H, W)."""
    torch.set_num_threads(cores.taken(threads))
    pixels, generator = _random_images(*shape[:3], place)
    encoder = build_encoder(backbone, shape[1]).to(place).eval()

    @torch.no_grad()
    def embed(batch: int) -> None:
        encoder(augment(pixels[:batch], generator)).sum().item()

    return rate(embed, shape[0], seconds)


def _random_images(count: int, channels: int, side: int, place: torch.device) -> tuple[Tensor, torch.Generator]:
    """uint8 images, and what they and then their views are drawn by."""
    generator = torch.Generator().manual_seed(0)
    shape = (count, channels, side, side)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8).to(place), generator


def rate(step: Callable[[int], None], batch: int, seconds: float) -> float:
    """Instances a second of step(batch), or of the largest part of the batch whose step takes less than `seconds`."""

    def timed(part: int) -> float:
        started = time.perf_counter()
        step(part)
        return time.perf_counter() - started

    part = min(batch, 2)
    timed(part)  # the first step, in which memory is taken and kernels are chosen, is slower than the next ones
    once = timed(part)
    while part < batch and 2 * once < seconds:
        part, once = min(2 * part, batch), timed(min(2 * part, batch))
    spent, steps = once, 1
    while spent + once < seconds:
        spent, steps = spent + timed(part), steps + 1
    return part * steps / spent
