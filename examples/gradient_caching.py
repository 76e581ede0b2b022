"""A batch larger than memory: embeddings first, the loss's gradient on them, then the network piece by piece.

The gradient is that of the whole batch, but for networks that see more than one instance (batch normalisation) or draw
random numbers (dropout: draw the same ones in both passes).
"""

import torch
from torch import nn

from dhel_kcl.losses import DHELLoss

torch.manual_seed(0)
encoder = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 16))
criterion = DHELLoss(temperature=0.3)
x = torch.randn(512, 64)
views = torch.cat([x + 0.1 * torch.randn_like(x), x + 0.1 * torch.randn_like(x)])

with torch.no_grad():  # keeps no activations
    z = torch.cat([encoder(piece) for piece in views.split(64)])
z.requires_grad_()
criterion(*z.chunk(2)).backward()  # the whole batch's negatives, of small embeddings
for piece, gradient in zip(views.split(64), z.grad.split(64), strict=True):
    encoder(piece).backward(gradient)  # activations of one piece at a time

cached = [parameter.grad.clone() for parameter in encoder.parameters()]
encoder.zero_grad()
criterion(*encoder(views).chunk(2)).backward()
for parameter, gradient in zip(encoder.parameters(), cached, strict=True):
    torch.testing.assert_close(gradient, parameter.grad)
