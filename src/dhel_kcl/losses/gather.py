"""The batches of several processes as one."""

from typing import Any

import torch
from torch import Tensor, distributed

from dhel_kcl.losses.inputs import check_shapes
from dhel_kcl.losses.negatives import ALL, Negatives


def gathered(z0: Tensor, z1: Tensor, negatives: Negatives = ALL) -> tuple[Tensor, Tensor, Negatives]:
    """Embeddings of all W processes, shape (W M, d) each, in the order of their ranks, and what are negatives of what.

    Of ids (M,) those of all processes follow each other; of a mask each process has its own rows, (M, W M).

    The gradient of the process's own rows is multiplied by W: `DistributedDataParallel` takes the mean of the
    parameters' gradients over the processes, which is then the gradient of the global loss, as if one process
    had trained on the concatenated batch. Every process must call `backward` on the same function of the loss.

    Raises ValueError without an initialised process group, for different shapes between views, and, on the CPU, for
    different shapes between processes. Elsewhere to compare them would make the host wait for the device.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        raise ValueError("gather=True needs torch.distributed.init_process_group to have been called")
    check_shapes(z0, z1)
    if z0.device.type == "cpu":
        _check_same_everywhere(z0, negatives)
    both = _Gather.apply(torch.stack([z0, z1], dim=1))
    return both[:, 0], both[:, 1], Negatives(*(None if part is None else _all(part) for part in negatives))


def _check_same_everywhere(z: Tensor, negatives: Negatives) -> None:
    given = [int(part is not None) for part in negatives]
    found = torch.tensor([*z.shape, *given])
    every = [torch.empty_like(found) for _ in range(distributed.get_world_size())]
    distributed.all_gather(every, found)
    if any(not torch.equal(other[:2], found[:2]) for other in every):
        sizes = ", ".join(str(tuple(other[:2].tolist())) for other in every)
        raise ValueError(f"gather=True needs the same shape (M, d) in every process; got {sizes}")
    if any(not torch.equal(other, found) for other in every):
        raise ValueError("gather=True needs ids in every process or in none, and so with a mask")


def _all(own: Tensor) -> Tensor:
    parts = [torch.empty_like(own) for _ in range(distributed.get_world_size())]
    distributed.all_gather(parts, own.contiguous())
    return torch.cat(parts)


class _Gather(torch.autograd.Function):
    """Concatenates the rows of all processes; backward takes its own rows of the gradient times their number."""

    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:
        return _all(z)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        world_size = distributed.get_world_size()
        return world_size * gradient.chunk(world_size)[distributed.get_rank()]
