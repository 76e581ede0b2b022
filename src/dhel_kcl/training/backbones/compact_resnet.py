"""A ResNet for small images: 3x3 stem without pooling, one basic block a stage.

Written here because importing torchvision costs each of the several hundred short jobs three seconds.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from dhel_kcl.training.backbones.base import Backbone


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with batch normalisation and a shortcut (He et al. 2016)."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        out = relu(self.bn1(self.conv1(x)))
        return relu(self.bn2(self.conv2(out)) + self.shortcut(x))


class CompactResNet(Backbone):
    """`stages` basic blocks of width, 2 width, 4 width, ...; each after the first halves the resolution, and
    with `stem_stride` 2 the stem does."""

    def __init__(self, channels_in: int, width: int = 16, stages: int = 3, stem_stride: int = 1) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(channels_in, width, 3, stem_stride, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        widths = [width * 2**stage for stage in range(stages)]
        self.blocks = nn.Sequential(
            *[BasicBlock(w_in, w, 1 if w_in == w else 2) for w_in, w in zip([width, *widths], widths, strict=False)]
        )
        self.features = widths[-1]

    def forward(self, x: Tensor) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        return self.blocks(self.stem(x)).mean(dim=(2, 3))
