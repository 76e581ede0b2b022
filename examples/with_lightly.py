"""With lightly: the loss in the place of its NTXentLoss."""

import torch
from lightly.models.modules import SimCLRProjectionHead
from torch import nn

from dhel_kcl.losses import KCLLoss

torch.manual_seed(0)
backbone = nn.Sequential(nn.Conv2d(3, 16, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
model = nn.Sequential(backbone, SimCLRProjectionHead(input_dim=16, hidden_dim=32, output_dim=16))
criterion = KCLLoss("gaussian", t=1.0, gamma=4.0)  # was NTXentLoss(temperature=0.5); tune gamma
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
images = torch.rand(16, 3, 32, 32)
for _step in range(5):
    x0, x1 = (images + 0.1 * torch.randn_like(images) for _ in range(2))  # a DataLoader of lightly's transforms
    loss = criterion(model(x0), model(x1))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
assert loss.isfinite()
