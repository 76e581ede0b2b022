"""Mixed precision: the loss takes half-precision embeddings, inside or outside autocast, and computes in float32."""

import torch
from torch import nn

from dhel_kcl.losses import DHELLoss

device, half = ("cuda", torch.float16) if torch.cuda.is_available() else ("cpu", torch.bfloat16)
torch.manual_seed(0)
encoder = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 16)).to(device)
criterion = DHELLoss(temperature=0.05)
optimizer = torch.optim.SGD(encoder.parameters(), lr=0.1)
scaler = torch.amp.GradScaler(device)
x = torch.randn(32, 64, device=device)
for _step in range(10):
    views = torch.cat([x + 0.1 * torch.randn_like(x), x + 0.1 * torch.randn_like(x)])
    with torch.autocast(device, dtype=half):
        z0, z1 = encoder(views).chunk(2)
        loss = criterion(z0, z1)
    optimizer.zero_grad()
    scaler.scale(loss).backward()
    scaler.step(optimizer)
    scaler.update()
assert (z0.dtype, loss.dtype) == (half, torch.float32)
assert loss.isfinite()
