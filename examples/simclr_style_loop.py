"""A SimCLR-style loop: two views of each instance in one forward pass."""

import torch
from torch import nn

from dhel_kcl.losses import DHELLoss

torch.manual_seed(0)
encoder = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 16))
criterion = DHELLoss(temperature=0.3)
optimizer = torch.optim.SGD(encoder.parameters(), lr=0.1)
x = torch.randn(32, 64)
losses = []
for _step in range(20):
    views = torch.cat([x + 0.1 * torch.randn_like(x), x + 0.1 * torch.randn_like(x)])
    z0, z1 = encoder(views).chunk(2)
    loss = criterion(z0, z1)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
assert losses[-1] < losses[0]
