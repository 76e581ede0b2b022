"""Encoder and projector of one run: built from its spec, saved as safetensors, read back checked."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import nn

from dhel_kcl.files import DamagedError, reading, write_bytes
from dhel_kcl.registry import resolve
from dhel_kcl.training.backbones.base import Backbone


def build_encoder(backbone: dict[str, Any], channels: int) -> Backbone:
    """Backbone named by `backbone["name"]`, with its other entries as arguments, for images of `channels`."""
    arguments = {key: value for key, value in backbone.items() if key != "name"}
    backbone_class: type[Backbone] = resolve("backbone", backbone["name"])
    return backbone_class(channels, **arguments).to(memory_format=torch.channels_last)


def build_projector(features: int, dim: int) -> nn.Module:
    """Linear - BN - ReLU - Linear - BN (without shift), as in the training code released with Multi-View-CL."""
    last = nn.BatchNorm1d(dim)
    last.bias.requires_grad_(False)  # fixed at 0
    return nn.Sequential(
        nn.Linear(features, features, bias=False),
        nn.BatchNorm1d(features),
        nn.ReLU(),
        nn.Linear(features, dim, bias=False),
        last,
    )


def write_weights(path: Path, module: nn.Module) -> None:
    write_bytes(path, save({name: tensor.contiguous() for name, tensor in module.state_dict().items()}))


def read_weights(path: Path, module: nn.Module) -> None:
    """Load weights into `module`. Raises ValueError that names the file if it is damaged or of another network."""
    remedy = "delete it to train again"
    with reading(path, remedy):
        weights = load_file(path)
        try:
            module.load_state_dict(weights)
        except RuntimeError as error:
            first = str(error).splitlines()[1].strip()
            raise DamagedError(f"{path} does not hold this network's weights ({first} ...); {remedy}") from error
