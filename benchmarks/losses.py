"""Forward and backward of the losses against other ways to write them, and their memory for a large batch.

Baselines: DHEL as exponential, sum and logarithm; lightly's NTXentLoss for SimCLR and its DCLLoss; KCL on
`torch.pdist`. DHEL also with a learned temperature and with a mask, Gaussian KCL with a learned scale. All take raw
embeddings of 128 dimensions in float32. Needs 3 GB.

Example:
    python benchmarks/losses.py --output losses.csv
"""

import multiprocessing
import sys
import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import pandas as pd
import torch
from baselines import exp_then_log_dhel
from lightly.loss import DCLLoss as LightlyDCLLoss
from lightly.loss import NTXentLoss
from timing import COLUMNS, compare, finish, seconds
from torch import Tensor, nn
from torch.nn.functional import normalize

from dhel_kcl.losses.dcl_loss import DCLLoss
from dhel_kcl.losses.dhel_loss import DHELLoss
from dhel_kcl.losses.kcl_loss import KCLLoss
from dhel_kcl.losses.simclr_loss import SimCLRLoss
from dhel_kcl.runtime import cli
from dhel_kcl.runtime.allocator import resident_peak
from dhel_kcl.training import device

DIM, TEMPERATURE, GAMMA = 128, 0.3, 16.0
Loss = Callable[[Tensor, Tensor], Tensor]


def learned(value: float) -> nn.Parameter:
    return nn.Parameter(torch.tensor(value))


@cache
def classes(count: int, place: torch.device) -> Tensor:
    """Mask of instances of ten classes, shape (M, M)."""
    ids = torch.arange(count, device=place) % 10
    return ids[:, None] != ids


def mask_of(z: Tensor) -> Tensor:
    return classes(len(z), z.device)


def masked(loss: nn.Module) -> Loss:
    return lambda z0, z1: loss(z0, z1, mask=mask_of(z0))


def pdist_kcl(z0: Tensor, z1: Tensor, kernel: Callable[[Tensor], Tensor]) -> Tensor:
    """With the kernel as a function of the distance r."""
    u, v = normalize(z0, dim=1), normalize(z1, dim=1)
    energies = [kernel(torch.pdist(z)).mean() for z in (u, v)]
    return -2 * kernel((u - v).norm(dim=1)).mean() + GAMMA * sum(energies)


# Name, loss, baseline's name, baseline.
PAIRS: list[tuple[str, Loss, str, Loss]] = [
    (
        "dhel",
        DHELLoss(TEMPERATURE, "sum"),
        "exponential, sum, logarithm",
        partial(exp_then_log_dhel, temperature=TEMPERATURE),
    ),
    ("simclr", SimCLRLoss(TEMPERATURE), "lightly NTXentLoss", NTXentLoss(TEMPERATURE)),
    ("dcl", DCLLoss(TEMPERATURE), "lightly DCLLoss", LightlyDCLLoss(TEMPERATURE)),
    (
        "kcl-gaussian",
        KCLLoss("gaussian", GAMMA, t=2.0),
        "torch.pdist",
        partial(pdist_kcl, kernel=lambda r: (-2 * r.square()).exp()),
    ),
    ("kcl-riesz", KCLLoss("riesz", GAMMA, q=1.0), "torch.pdist", partial(pdist_kcl, kernel=lambda r: -r)),
]
SCALE = learned(2.0)
VARIANTS: list[tuple[str, Loss, str, Loss]] = [
    (
        "dhel, learned temperature",
        DHELLoss(learned(TEMPERATURE), "sum"),
        "exponential, sum, logarithm",
        partial(exp_then_log_dhel, temperature=learned(TEMPERATURE)),
    ),
    (
        "dhel, mask",
        masked(DHELLoss(TEMPERATURE, "sum")),
        "exponential, sum, logarithm",
        partial(exp_then_log_dhel, temperature=TEMPERATURE, mask=mask_of),
    ),
    (
        "kcl-gaussian, learned scale",
        KCLLoss("gaussian", GAMMA, t=learned(2.0)),
        "torch.pdist",
        partial(pdist_kcl, kernel=lambda r: (-SCALE * r.square()).exp()),
    ),
]

BATCH_SIZES, THREADS = (64, 256, 1024, 4096), (1, 2)
"""For speed."""
SMALL, LARGE = 4096, 32_768
"""Batch sizes for memory, and for the growth of time."""
TARGETS = {("dhel", 4096): 3, ("simclr", 4096): 5, ("dcl", 4096): 8}
TARGETS |= {(name, count): 1 for name, *_ in PAIRS for count in (64, 256)}
"""Least ratio aimed for."""


def step(loss: Loss, count: int, place: torch.device) -> Callable[[], Tensor]:
    """Forward and backward on fixed random embeddings; returns the loss."""
    z0, z1 = torch.randn(2, count, DIM, generator=torch.Generator().manual_seed(0)).to(place)
    z0.requires_grad_(), z1.requires_grad_()

    def run() -> Tensor:
        z0.grad = z1.grad = None
        value = loss(z0, z1)
        value.backward()
        return value.detach()

    return run


def speed(rounds: int, place: torch.device) -> pd.DataFrame:
    rows = []
    for number in THREADS:
        torch.set_num_threads(number)
        for count in BATCH_SIZES:
            for name, loss, other, baseline in PAIRS + VARIANTS:
                ours, theirs = step(loss, count, place), step(baseline, count, place)
                torch.testing.assert_close(ours(), theirs(), rtol=1e-4, atol=1e-4)
                times = compare(ours, theirs, rounds if count > 1024 else 10 * rounds)
                row = {"what": f"loss, {name}, M = {count:,}", "baseline": other, "threads": number}
                rows.append(row | times | {"target": TARGETS.get((name, count))})
                print(pd.DataFrame(rows[-1:]).to_string(index=False, header=False), file=sys.stderr)
    return pd.DataFrame(rows, columns=COLUMNS)


def growth(name: str, small: int, large: int, place: torch.device) -> dict[str, str | int | float]:
    """Peak memory beyond the embeddings, in MB, and seconds of one step, on one thread. For a fresh process."""
    torch.set_num_threads(1)
    loss = next(loss for this, loss, _, _ in PAIRS if this == name)
    run, run_large = step(loss, small, place), step(loss, large, place)
    before = peak_megabytes(place)
    run()
    clock = time.process_time if place.type == "cpu" else time.perf_counter
    small_s = min(seconds(run, clock) for _ in range(3))
    large_s = seconds(run_large, clock)
    return {
        "loss": name,
        "batch_size": large,
        "extra_mb": peak_megabytes(place) - before,
        "seconds": large_s,
        "times_small": large_s / small_s,
    }


def peak_megabytes(place: torch.device) -> float:
    return (torch.cuda.max_memory_allocated() if place.type == "cuda" else resident_peak()) / 1e6


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="alternations; ten times as many up to 1,024")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"], help="where")
    parser.add_argument("--output", type=Path, help="CSV of the speed table")
    parser.add_argument("--memory", type=Path, help="CSV of the memory table")
    args = parser.parse_args()

    place, _ = device.choose(args.device)
    # Memory first: a child's peak starts at its parent's.
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        memory = pd.DataFrame([pool.apply(growth, (name, SMALL, LARGE, place)) for name, *_ in PAIRS])
    finish(memory, args.memory)
    finish(speed(args.rounds, place), args.output)


if __name__ == "__main__":
    cli.run(main)
