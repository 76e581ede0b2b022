"""Where a job computes and in which arithmetic, and the processes that share one run."""

import fcntl
import os
import tempfile
from contextlib import AbstractContextManager
from pathlib import Path

import torch
from torch import Tensor, distributed


def resolve(device: str, precision: str = "fp32") -> tuple[torch.device, str]:
    """Device and precision for the config's values, of which "auto" takes what the machine has.

    bf16 is chosen where the device multiplies in it: CUDA from Ampere on, processors with AVX-512 BF16 or AMX.
    Of several CUDA devices the process takes one that no other job of this package holds, where there is one.

    Raises ValueError if CUDA is asked for where there is none.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device: cuda is asked for, but torch finds no CUDA device; set device: auto or cpu")
    if precision == "auto":
        precision = "bf16" if _multiplies_bf16(device) else "fp32"
    return torch.device("cuda", _free_gpu()) if device == "cuda" else torch.device(device), precision


def _free_gpu() -> int:
    """Index of a CUDA device that no other job holds; if all are held, one that is shared.

    The lock stays with the process until it ends.
    """
    count = torch.cuda.device_count()
    for index in range(count):
        path = Path(tempfile.gettempdir(), f"dhel-kcl-{torch.cuda.get_device_properties(index).uuid}.lock")
        lock = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return index
        except OSError:
            os.close(lock)
    return os.getpid() % count


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
                f"start it with `torchrun --nproc-per-node {processes} -m dhel_kcl.training.trainer ...`"
            )
        if self.world > 1:
            if device.type == "cuda":
                torch.cuda.set_device(device)
            distributed.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any of the processes, which all must ask."""
        if self.world == 1:
            return flag
        vote: Tensor = torch.tensor(int(flag))
        distributed.all_reduce(vote, distributed.ReduceOp.MAX)
        return bool(vote)

    def mean(self, values: Tensor) -> Tensor:
        """Mean of a tensor over the processes."""
        if self.world > 1:
            distributed.all_reduce(values)
            values /= self.world
        return values

    def leave(self) -> None:
        if self.world > 1:
            distributed.destroy_process_group()
