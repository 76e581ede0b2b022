"""Two towers with a learned temperature, as in CLIP: the logarithm of its inverse is learned, and clamped."""

import math

import torch
from torch import nn
from torch.nn.functional import normalize

from dhel_kcl.losses import infonce

torch.manual_seed(0)
image_tower, text_tower = nn.Linear(64, 16), nn.Linear(32, 16)
log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
optimizer = torch.optim.Adam([*image_tower.parameters(), *text_tower.parameters(), log_scale], lr=0.01)
meaning = torch.randn(128, 8)
images, texts = meaning @ torch.randn(8, 64), meaning @ torch.randn(8, 32)
for _step in range(50):
    u, v = normalize(image_tower(images), dim=1), normalize(text_tower(texts), dim=1)
    loss = infonce(u, v, temperature=(-log_scale).exp())  # the functions take unit vectors
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        log_scale.clamp_(max=math.log(100))  # never below 0.01; `log_scale.clamp` would have no gradient from there on
assert loss < 0.1
assert log_scale.item() != math.log(1 / 0.07)
