"""Theory: the expected loss against the batch size (claim C2).

Two ways of sampling batches. "sub-batches": the exact mean over all C(n, M) sub-batches of n fixed pairs. "uniform":
Monte Carlo over batches of aligned positives with independent uniform anchors on S^(d-1), beside the expansion for
large M (`ContrastiveLoss.expected_at_uniform`) and the limit M -> inf. The losses of the InfoNCE family grow with
`energies` w log(M - 1), an additive constant for training; it is subtracted from `mean` both ways, and from `expected`.
"""

import math
from itertools import combinations

import pandas as pd
import torch
from tqdm import tqdm

from dhel_kcl.geometry import metrics, sphere
from dhel_kcl.losses.log_sum_exp import LogSumExpLoss
from dhel_kcl.theory.descent import losses
from dhel_kcl.theory.methods import KERNEL, LOG_SUM_EXP, LOSS_OF
from dhel_kcl.theory.verdict import Verdict, verdict

PAIRS, SMALL_DIM = 9, 4
DIM = 128
SIZES = (2, 4, 8, 16, 32, 64, 128, 256, 512)
POINTS = 16_384
"""Anchors of each Monte-Carlo mean: POINTS / M batches, at least 32 and at most 4,096."""
PAIRS_AT_ONCE = 2**16
"""Entries of the similarity matrices that are made together: few enough for the processor's cache."""
EXACT = 1e-12
NOISE = 4.0
"""Standard errors within which a Monte-Carlo mean counts as equal to its expectation."""
ERRORS = "in standard errors"


def sub_batches() -> list[dict[str, object]]:
    """Exact means over all sub-batches of one fixed set of pairs with imperfect positives."""
    anchors = sphere.uniform(PAIRS, SMALL_DIM, seed=0)
    positives = metrics.unit(anchors + 0.5 * sphere.uniform(PAIRS, SMALL_DIM, seed=1))
    u, v = torch.from_numpy(anchors), torch.from_numpy(positives)
    rows: list[dict[str, object]] = []
    for method in LOSS_OF:
        for size in range(2, PAIRS + 1):
            chosen = torch.tensor(list(combinations(range(PAIRS), size)))
            mean = losses(method, torch.stack([u[chosen], v[chosen]], dim=1)).mean().item() - growth_of(method, size)
            rows.append({"sampling": "sub-batches", "method": method, "batch_size": size, "mean": mean})
    return rows


def growth_of(method: str, size: int) -> float:
    """What the expected loss grows by with the number of negatives, whatever the points: `energies` log(M - 1)."""
    loss = LOSS_OF[method]
    return loss.energies * math.log(size - 1) if isinstance(loss, LogSumExpLoss) else 0.0


def uniform() -> list[dict[str, object]]:
    """Monte-Carlo means, standard errors, expansion and limit for aligned uniform anchors."""
    rows: list[dict[str, object]] = []
    for size in tqdm(SIZES, unit="batch size", mininterval=1):
        repeats = min(4096, max(32, POINTS // size))
        anchors = torch.from_numpy(sphere.uniform(repeats * size, DIM, seed=size)).view(repeats, size, DIM)
        stacks = torch.stack([anchors, anchors], dim=1).split(max(1, PAIRS_AT_ONCE // size**2))
        for method, loss in LOSS_OF.items():
            growth = growth_of(method, size)
            expected = loss.expected_at_uniform(size, DIM)
            assert expected is not None
            values = torch.cat([losses(method, stack) for stack in stacks]).numpy()
            rows.append(
                {
                    "sampling": "uniform",
                    "method": method,
                    "batch_size": size,
                    "mean": values.mean() - growth,
                    "standard_error": values.std(ddof=1) / math.sqrt(repeats),
                    "expected": expected - growth,
                    "limit": loss.uniform_limit(DIM),
                }
            )
    return rows


def measure() -> pd.DataFrame:
    """One row a way of sampling, loss and batch size."""
    return pd.DataFrame([*sub_batches(), *uniform()])


def judge(table: pd.DataFrame) -> list[Verdict]:
    exact, sampled = table[table.sampling == "sub-batches"], table[table.sampling == "uniform"]
    change = exact.groupby("method")["mean"].agg(lambda x: x.max() - x.min())
    flat, steep = change[list(KERNEL)].max(), change[list(LOG_SUM_EXP)].min()
    kcl = sampled[sampled.method.isin(KERNEL)]
    away = ((kcl["mean"] - kcl.limit).abs() / kcl.standard_error).max()
    large = sampled[sampled.method.isin(LOG_SUM_EXP) & (sampled.batch_size >= 64)]
    off = ((large["mean"] - large.expected).abs() / large.standard_error).max()
    small = sampled[sampled.method.isin(LOG_SUM_EXP) & (sampled.batch_size == 4)]
    bias = ((small["mean"] - small.limit).abs() / small.standard_error).min()
    sizes = f"M = {SIZES[0]} to {SIZES[-1]}"
    statements = [
        (
            "KCL: the mean over all sub-batches is the same for every M; largest change",
            flat,
            f"<= {EXACT:g}",
            flat <= EXACT,
        ),
        (
            "InfoNCE, SimCLR, DCL, DHEL: that mean, less its growth, changes with M; smallest change",
            steep,
            "> 0.1",
            steep > 0.1,
        ),
        (
            f"KCL at uniform anchors, {sizes}: distance from the closed form {ERRORS}",
            away,
            f"<= {NOISE:g}",
            away <= NOISE,
        ),
        (
            f"the InfoNCE family at M = 4, less its growth: distance from the limit {ERRORS}",
            bias,
            f"> {NOISE:g}",
            bias > NOISE,
        ),
        (
            f"the same family at M >= 64: distance from the expansion for large M {ERRORS}",
            off,
            f"<= {NOISE:g}",
            off <= NOISE,
        ),
    ]
    return [verdict("C2", *statement) for statement in statements]
