"""Where a job computes and in which arithmetic, and the processes that share one run."""

import fcntl
import os
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, distributed

from dhel_kcl.training import cores


def choose(device: str, precision: str = "fp32") -> tuple[torch.device, str]:
    """Device and precision for the config's values, of which "auto" takes what the machine has.

    bf16 is chosen where the device multiplies in it: CUDA from Ampere on, processors with AVX-512 BF16 or AMX.
    Of several CUDA devices the process takes one that no other job of this package holds, where there is one; it is
    the process's current one from now on. Products of float32 matrices are in float32 from now on, too: views and
    losses need it, and containers set TORCH_ALLOW_TF32_CUBLAS_OVERRIDE.

    Raises ValueError if CUDA is asked for where there is none, or too few devices for the processes of one run.
    """
    torch.set_float32_matmul_precision("highest")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device: cuda is asked for, but torch finds no CUDA device; set device: auto or cpu")
    place = torch.device(device)
    if device == "cuda":
        place = torch.device("cuda", _free_gpu())
        torch.cuda.set_device(place)
    if precision == "auto":
        precision = "bf16" if _multiplies_bf16(device) else "fp32"
    return place, precision


@cache
def _free_gpu() -> int:
    """Index of a CUDA device that no other job holds; if all are held, one that is shared. The same at every call."""
    count = torch.cuda.device_count()
    for index in range(count):
        if _lock(Path(tempfile.gettempdir(), f"dhel-kcl-{torch.cuda.get_device_properties(index).uuid}.lock")):
            return index
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if processes > 1:
        raise ValueError(
            f"each of {processes} processes of a run needs a CUDA device of its own, and of the {count} here too many "
            "are held by other jobs; wait for those, or set processes: 1"
        )
    return os.getpid() % count


def _lock(path: Path) -> bool:
    """Whether this process holds the lock now, which then stays with it until it ends.

    The file may be another user's, whom the folder for temporary files is shared with: it is opened to be read, and
    created only where there is none, since some systems let nobody create over another user's file.
    """
    try:
        try:
            lock = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            lock = os.open(path, os.O_RDONLY | os.O_CREAT, 0o666)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError:
        os.close(lock)
        return False


def _multiplies_bf16(device: str) -> bool:
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def autocast(device: torch.device, precision: str) -> AbstractContextManager[None]:
    """Matrix products and convolutions in bfloat16 for "bf16", nothing for "fp32"."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def name(device: torch.device) -> str | None:
    """Name of a CUDA device, None for a processor."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else None


def is_first() -> bool:
    """Whether this is the process of its run that shows progress and writes files."""
    return os.environ.get("RANK", "0") == "0"


class Group:
    """The processes that torchrun started for one run; `rank` of `world`. Alone, 0 of 1."""

    def __init__(self, device: torch.device, processes: int) -> None:
        """Join them. Raises ValueError if there are not as many as the run's spec says."""
        self.rank, self.world = (int(os.environ.get(key, default)) for key, default in (("RANK", 0), ("WORLD_SIZE", 1)))
        if self.world != processes:
            raise ValueError(
                f"the spec asks for {processes} processes, here are {self.world}; "
                f"start it with `torchrun --nproc-per-node {processes} -m dhel_kcl pretrain ...`"
            )
        if self.world > 1:
            distributed.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any of the processes, which all must ask."""
        if self.world == 1:
            return flag
        vote: Tensor = torch.tensor(int(flag))
        distributed.all_reduce(vote, distributed.ReduceOp.MAX)
        return bool(vote)

    def means(self, values: dict[str, Tensor]) -> Callable[[], dict[str, float]]:
        """Mean over the processes of each of the numbers, which all must ask for: a function that waits for them.

        Their copy to the host is queued now, so that nobody waits for what the device is given afterwards.
        """
        stacked = torch.stack(list(values.values()))
        if self.world > 1:
            distributed.all_reduce(stacked)
            stacked /= self.world
        on_host, copied = stacked.to("cpu", non_blocking=True), None
        if stacked.is_cuda:
            copied = torch.cuda.Event()
            copied.record(torch.cuda.current_stream(stacked.device))

        def read() -> dict[str, float]:
            if copied:
                copied.synchronize()
            return dict(zip(values, on_host.tolist(), strict=True))

        return read

    def leave(self) -> None:
        if self.world > 1:
            distributed.destroy_process_group()


@dataclass(frozen=True)
class Place:
    """Where this process of a run computes, in which precision ("fp32" or "bf16"), with which others, in how many
    threads."""

    device: torch.device
    precision: str
    group: Group
    threads: int = 1

    @classmethod
    def claim(cls, device: str, precision: str, processes: int, threads: int) -> Self:
        """The place of a run, by its spec, and from now on its way to compute in all of this process.

        It takes so many threads, or as many as there are cores: sums are taken in parts by as many threads as compute
        them, so their number counts. cuDNN may take whatever algorithm it finds fastest for a convolution, and TF32 in
        it.
        """
        threads = cores.taken(threads, processes)
        torch.set_num_threads(threads)
        torch.backends.cudnn.benchmark = True
        found, taken = choose(device, precision)
        return cls(found, taken, Group(found, processes), threads)

    @property
    def share(self) -> tuple[int, int]:
        """Number of this process and of all: of the equal slices of a batch, which is its own."""
        return self.group.rank, self.group.world

    @property
    def is_first(self) -> bool:
        """Whether this process of the run writes files."""
        return self.group.rank == 0

    def autocast(self) -> AbstractContextManager[None]:
        return autocast(self.device, self.precision)
