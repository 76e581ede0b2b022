"""Several processes, one loss of all their embeddings: torchrun --nproc-per-node 2 several_processes.py"""

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from dhel_kcl.losses import DHELLoss

distributed.init_process_group("gloo")  # "nccl" on GPUs
torch.manual_seed(0)
encoder = DistributedDataParallel(nn.Linear(64, 16))
criterion = DHELLoss(temperature=0.3, gather=True)
optimizer = torch.optim.SGD(encoder.parameters(), lr=0.1)
torch.manual_seed(distributed.get_rank())  # each process has its own data
for _step in range(3):
    x = torch.rand(8, 64)
    views = torch.cat([x + 0.1 * torch.randn_like(x), x + 0.1 * torch.randn_like(x)])
    loss = criterion(*encoder(views).chunk(2))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"loss {loss.item():.6f}", flush=True)  # the same number in every process
distributed.destroy_process_group()
