"""The interface of a backbone."""

from torch import nn


class Backbone(nn.Module):
    """Images (B, C, H, W) in [0, 1] to features (B, `features`)."""

    features: int
