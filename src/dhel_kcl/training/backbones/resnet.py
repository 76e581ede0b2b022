"""ResNet-18 and ResNet-50 of torchvision without their classifier, for small and for large images."""

from typing import Literal

import torch
from torch import Tensor, nn

from dhel_kcl.training.backbones.base import Backbone


class ResNet(Backbone):
    """torchvision's network with its initial weights: He's normal (fan out), batch normalisation at 1 and 0.

    stem: "small" is a 3x3 convolution of stride 1 without pooling, as SimCLR has for CIFAR; "imagenet" is the
        original, a 7x7 convolution of stride 2 and max-pooling, which keeps a sixteenth of the positions.
    """

    architecture: str

    def __init__(self, channels_in: int, stem: Literal["small", "imagenet"] = "small") -> None:
        super().__init__()
        if stem not in ("small", "imagenet"):
            raise ValueError(f"unknown stem {stem!r}; allowed: small, imagenet")
        from torchvision import models  # here, as its import takes seconds that other backbones need not pay

        self.network = getattr(models, self.architecture)()
        self.features = self.network.fc.in_features
        self.network.fc = nn.Identity()
        if stem == "small":
            self.network.conv1 = nn.Conv2d(channels_in, 64, 3, padding=1, bias=False)
            self.network.maxpool = nn.Identity()
        else:
            self.network.conv1 = nn.Conv2d(channels_in, 64, 7, 2, padding=3, bias=False)
        nn.init.kaiming_normal_(self.network.conv1.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.network(x.contiguous(memory_format=torch.channels_last))
        return features


class ResNet18(ResNet):
    """Eight basic blocks, 512 features."""

    architecture = "resnet18"


class ResNet50(ResNet):
    """Sixteen bottleneck blocks, 2,048 features."""

    architecture = "resnet50"
