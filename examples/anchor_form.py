"""DHEL's anchor form spreads the first tower alone; for two towers take form="mean". Prints both effective ranks."""

import torch
from torch import nn

from dhel_kcl.geometry import report
from dhel_kcl.losses import DHELLoss


def pairs(count):
    """Queries and passages (count, 32): 8 noisy directions in common, of unequal strength, and 24 of their own."""
    common = torch.randn(count, 8) * torch.linspace(3.0, 0.4, 8)
    towers = [torch.cat([common + 0.2 * torch.randn(count, 8), torch.randn(count, 24)], dim=1) for _ in mixing]
    return [x @ mix for x, mix in zip(towers, mixing, strict=True)]


torch.manual_seed(0)
mixing = torch.randn(2, 32, 32) / 32**0.5
ranks = {}
for form in ("anchor", "mean"):
    towers = [nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 32)) for _ in range(2)]
    optimizer = torch.optim.Adam([p for tower in towers for p in tower.parameters()], lr=0.01)
    criterion = DHELLoss(temperature=0.1, form=form)
    for _step in range(150):
        loss = criterion(*(tower(x) for tower, x in zip(towers, pairs(128), strict=True)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found = report(*(tower(x) for tower, x in zip(towers, pairs(500), strict=True)))
    ranks[form] = found.z0.effective_rank, found.z1.effective_rank
    print(f"{form}: queries {ranks[form][0]:.0f} of 32 dimensions, passages {ranks[form][1]:.0f}")
assert ranks["anchor"][0] > 1.5 * ranks["anchor"][1]
assert abs(ranks["mean"][0] - ranks["mean"][1]) < 2
