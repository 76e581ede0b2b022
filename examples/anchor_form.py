"""DHEL's anchor form spreads the first tower alone; for two towers take form="mean". Prints ranks and retrieval."""

import torch
from torch import nn
from torch.nn.functional import normalize

from dhel_kcl.geometry import report
from dhel_kcl.losses import DHELLoss


def pairs(count):
    """Queries and passages (count, 32): 8 noisy directions in common, of unequal strength, and 24 of their own."""
    common = torch.randn(count, 8) * torch.linspace(3.0, 0.4, 8)
    towers = [torch.cat([common + 0.2 * torch.randn(count, 8), torch.randn(count, 24)], dim=1) for _ in mixing]
    return [x @ mix for x, mix in zip(towers, mixing, strict=True)]


torch.manual_seed(0)
mixing = torch.randn(2, 32, 32) / 32**0.5
told = {}
for form in ("anchor", "mean"):
    towers = [nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 32)) for _ in range(2)]
    optimizer = torch.optim.Adam([p for tower in towers for p in tower.parameters()], lr=0.01)
    criterion = DHELLoss(temperature=0.1, form=form)
    for _step in range(150):
        loss = criterion(*(tower(x) for tower, x in zip(towers, pairs(128), strict=True)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    z0, z1 = (tower(x) for tower, x in zip(towers, pairs(500), strict=True))
    similarity, geometry = normalize(z0) @ normalize(z1).T, report(z0, z1)
    nearest = [100 * (similarity.argmax(dim) == torch.arange(500)).double().mean().item() for dim in (1, 0)]
    told[form] = geometry.z0.effective_rank, geometry.z1.effective_rank, *nearest
    words = "{}: queries {:.0f} of 32 dimensions, passages {:.0f}; found: passages {:.0f} %, queries {:.0f} %"
    print(words.format(form, *told[form]))
assert told["anchor"][0] > 1.5 * told["anchor"][1]
assert abs(told["mean"][0] - told["mean"][1]) < 2
assert told["mean"][3] > told["anchor"][3] + 10  # what is spread alone is hard to find
