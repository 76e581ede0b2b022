"""Whether a pretraining run fits the memory and the disk, estimated before any hour is spent.

What autograd keeps for the backward pass is counted for two and for four images and grows linearly with their number;
the loss is counted at the run's batch size. This is the memory of the eager mode: compiled code takes less.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from dhel_kcl.data.prepared import Prepared
from dhel_kcl.files import require_space
from dhel_kcl.training import cores
from dhel_kcl.training.device import Place
from dhel_kcl.training.networks import build_encoder
from dhel_kcl.training.objective import build_networks
from dhel_kcl.training.spec import PretrainSpec

MEMORY = Path("/proc/meminfo")
LARGE = 1_000_000
"""Parameters of an encoder from which on a run on processors is estimated too, which takes seconds."""
MARGIN = 0.1
"""Share of the estimate added for temporaries of the backward pass and for gaps between blocks of memory."""
CUDA = 1_000_000_000
"""Bytes that CUDA's context and cuDNN's work space take."""
AUGMENTING = 6
"""Copies of the views, in float32, that exist at a time while they are made."""


@dataclass(frozen=True)
class MemoryNeed:
    """Bytes on the device of one process while it trains."""

    weights: int
    gradients: int
    momentum: int
    activations: int
    loss: int
    views: int
    images: int
    overhead: int

    @property
    def total(self) -> int:
        return sum(getattr(self, field.name) for field in fields(self))

    @property
    def per_batch(self) -> int:
        """Bytes that grow with the batch."""
        return self.activations + self.loss + self.views

    def __str__(self) -> str:
        parts = sorted(((getattr(self, f.name), f.name) for f in fields(self)), reverse=True)
        return ", ".join(f"{name} {gigabytes(size)}" for size, name in parts if size >= self.total / 100)


def gigabytes(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"


def estimate(
    spec: PretrainSpec, channels: int, side: int, classes: int, images: int, precision: str, cuda: bool = True
) -> MemoryNeed:
    """Memory of each process of a run.

    Args:
        spec: of the run; its `processes` share a batch.
        channels, side: of the images.
        classes: of the data set.
        images: number of images that are kept on the device as uint8; 0 where they are streamed or in mapped files.
        precision: "fp32" or "bf16".
        cuda: whether to add CUDA's own memory.
    """
    world = spec.processes
    side = spec.augment.size or side
    with torch.random.fork_rng(devices=[]):
        networks = build_networks(replace(spec, processes=1), channels, classes)
        encoder, objective = networks.encoder, networks.objective
        two, four = (kept_bytes(encoder, precision, torch.rand(n, channels, side, side)) for n in (2, 4))
        features = torch.rand(2 * spec.batch_size, encoder.features)
        labels = torch.zeros(spec.batch_size, dtype=torch.long)
        loss = kept_bytes(objective, precision, features, labels)
    views = 2 * spec.batch_size // world
    activations = two + (four - two) // 2 * (views - 2)
    trained = [parameter for parameter in (*encoder.parameters(), *objective.parameters()) if parameter.requires_grad]
    weights = model_bytes(encoder) + model_bytes(objective)
    gradients = sum(parameter.nbytes for parameter in trained)
    making = AUGMENTING * views * channels * side**2 * 4
    kept = images * channels * side**2
    parts = weights + 2 * gradients + activations + loss + making + kept
    overhead = round(MARGIN * parts) + (CUDA if cuda else 0)
    return MemoryNeed(weights, gradients, gradients, activations, loss, making, kept, overhead)


def model_bytes(module: nn.Module) -> int:
    return sum(tensor.nbytes for tensor in module.state_dict().values())


def kept_bytes(module: nn.Module, precision: str, *inputs: Tensor) -> int:
    """Bytes that autograd keeps between forward and backward on these inputs, without the module's own tensors."""
    own = {tensor.untyped_storage().data_ptr() for tensor in module.state_dict().values()}
    kept = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    # The tensors live as long as `output`, so no two of them have one address.
    with saved_tensors_hooks(keep, lambda tensor: tensor), torch.autocast("cpu", torch.bfloat16, precision == "bf16"):
        output = module(*inputs)
    del output
    return sum(kept.values())


def require(spec: PretrainSpec, data: Prepared, images: int, place: Place, scratch: Path) -> MemoryNeed | None:
    """The estimate of a run on `images` of a data set that fits the device, and whose checkpoints fit the disk.

    None, without an estimate, for a small network on a processor. Torch's random state is left as it is.
    Raises ValueError, or OSError for the disk, stating what is needed, what is free and what helps.
    """
    cuda = place.device.type == "cuda"
    if not cuda and parameters(spec, data.channels) <= LARGE:
        return None
    streamed = spec.images == "streamed"
    side, kept = (0, 0) if streamed else (data.images.shape[2], images)
    needed = estimate(spec, data.channels, side, data.classes, kept, place.precision, cuda)
    free = free_bytes(place.device)
    if free is not None and needed.total > free:
        raise ValueError(too_large(needed, free, spec, place))
    # While a checkpoint is written, the one before still exists.
    require_space(scratch, 2 * (needed.weights + needed.momentum))
    return needed


def parameters(spec: PretrainSpec, channels: int) -> int:
    """Of the encoder."""
    with torch.random.fork_rng(devices=[]):
        return sum(parameter.numel() for parameter in build_encoder(spec.backbone, channels).parameters())


def too_large(needed: MemoryNeed, free: int, spec: PretrainSpec, place: Place) -> str:
    room = (free - (needed.total - (1 + MARGIN) * needed.per_batch)) / ((1 + MARGIN) * needed.per_batch)
    fits = int(room * spec.batch_size)
    helps = ["precision: bf16"] if place.precision == "fp32" else []
    helps += ["more processes, which share each batch"]
    helps += [f"batch_size: {fits} or less"] if fits >= 2 else []
    return (
        f"batch_size {spec.batch_size} needs about {gigabytes(needed.total)} of memory a process ({needed}), and "
        f"{gigabytes(free)} are free on {place.device}. What helps: {'; '.join(helps)}; a device with more memory, or "
        "one that nothing else uses"
    )


def free_bytes(device: torch.device) -> int | None:
    """Bytes that this process can still take on a device; None where the system does not say."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        words = [line.split() for line in MEMORY.read_text(encoding="utf-8").splitlines()]
    except OSError:  # no Linux
        return None
    available = [1024 * int(line[1]) for line in words if line[0] == "MemAvailable:"]
    return min([*available, *_left_in_groups()], default=None)


def _left_in_groups() -> Iterator[int]:
    """Bytes by each limit on this process: of version 2 of control groups, and of version 1. What files keep in memory
    and nobody has open counts as free."""
    try:
        groups = [line.split(":", 2) for line in cores.GROUPS.read_text(encoding="utf-8").splitlines()]
    except OSError:  # a kernel without them
        return
    for _, controllers, path in groups:
        root, limit, current, files = cores.MOUNTED, "memory.max", "memory.current", "inactive_file"
        if controllers:
            root, files = root / "memory", "total_inactive_file"
            limit, current = "memory.limit_in_bytes", "memory.usage_in_bytes"
        if controllers and "memory" not in controllers.split(","):
            continue
        inside = Path(path.strip().lstrip("/"))
        for folder in (inside, *inside.parents):  # in a container its own group is the root, whatever the path
            with suppress(OSError, ValueError):  # no such group, or no limit ("max")
                paths = (root / folder / file for file in (limit, current, "memory.stat"))
                most, taken, details = (path.read_text(encoding="utf-8") for path in paths)
                kept = dict(line.split() for line in details.splitlines()).get(files, 0)
                yield int(most) - int(taken) + int(kept)
