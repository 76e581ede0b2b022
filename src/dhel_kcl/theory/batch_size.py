"""Theory: the expected loss against the batch size (claim C2).

Two ways of sampling batches. "sub-batches": the exact mean over all C(n, M) sub-batches of n fixed pairs. "uniform":
Monte Carlo over batches of aligned positives with independent uniform anchors on S^(d-1), beside the expansion for
large M (`ContrastiveLoss.expected_at_uniform`) and the limit M -> inf. The losses of the InfoNCE family grow with
`energies` w log(M - 1), an additive constant for training; it is subtracted from `mean` both ways, and from `expected`.

Differences between means are judged as shares of a loss's range: how far it is from uniform anchors to total collapse.
An interval's end nearer to 0 must lie above a margin where there is a difference, the farther one below it where there
is none, so that more batches decide more and change no threshold.
"""

import math
from itertools import combinations

import pandas as pd
import torch
from scipy.stats import norm
from tqdm import tqdm

from dhel_kcl.geometry import metrics, sphere
from dhel_kcl.losses.log_sum_exp import LogSumExpLoss
from dhel_kcl.theory.descent import losses
from dhel_kcl.theory.methods import KERNEL, LOG_SUM_EXP, LOSS_OF
from dhel_kcl.theory.verdict import Verdict, verdict

PAIRS, SMALL_DIM = 9, 4
DIM = 128
SIZES = (2, 4, 8, 16, 32, 64, 128, 256, 512)
POINTS = 32_768
"""Anchors of each Monte-Carlo mean: POINTS / M batches."""
PAIRS_AT_ONCE = 2**16
"""Entries of the similarity matrices that are made together: few enough for the processor's cache."""
EXACT = 1e-12
MARGIN, FINE_MARGIN = 0.005, 0.001
"""Shares of a loss's range, above which a difference counts and below which it does not; the latter for expansions."""


def sub_batches() -> list[dict[str, object]]:
    """Exact means over all sub-batches of one fixed set of pairs with imperfect positives."""
    anchors = sphere.uniform(PAIRS, SMALL_DIM, seed=0)
    positives = metrics.unit(anchors + 0.5 * sphere.uniform(PAIRS, SMALL_DIM, seed=1))
    u, v = torch.from_numpy(anchors), torch.from_numpy(positives)
    rows: list[dict[str, object]] = []
    for method, loss in LOSS_OF.items():
        for size in range(2, PAIRS + 1):
            chosen = torch.tensor(list(combinations(range(PAIRS), size)))
            mean = losses(loss, torch.stack([u[chosen], v[chosen]], dim=1)).mean().item() - growth_of(method, size)
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
        repeats = POINTS // size
        anchors = torch.from_numpy(sphere.uniform(repeats * size, DIM, seed=size)).view(repeats, size, DIM)
        stacks = torch.stack([anchors, anchors], dim=1).split(max(1, PAIRS_AT_ONCE // size**2))
        collapsed = torch.from_numpy(sphere.uniform(1, DIM, seed=0)).expand(1, 2, size, DIM)
        for method, loss in LOSS_OF.items():
            growth = growth_of(method, size)
            expected = loss.expected_at_uniform(size, DIM)
            assert expected is not None
            values = torch.cat([losses(loss, stack) for stack in stacks]).numpy()
            rows.append(
                {
                    "sampling": "uniform",
                    "method": method,
                    "batch_size": size,
                    "mean": values.mean() - growth,
                    "standard_error": values.std(ddof=1) / math.sqrt(repeats),
                    "expected": expected - growth,
                    "limit": loss.uniform_limit(DIM),
                    "collapsed": losses(loss, collapsed).item() - growth,
                }
            )
    return rows


def measure() -> pd.DataFrame:
    """One row a way of sampling, loss and batch size."""
    return pd.DataFrame([*sub_batches(), *uniform()])


def shares(rows: pd.DataFrame, of: str) -> pd.DataFrame:
    """How far means lie from the column `of`, as shares of the range: the 95 % interval's `near` and `far` end."""
    span, distance = (rows.collapsed - rows.limit).abs(), (rows["mean"] - rows[of]).abs()
    width = norm.ppf(0.975) * rows.standard_error
    return pd.DataFrame({"near": (distance - width) / span, "far": (distance + width) / span})


def judge(table: pd.DataFrame) -> list[Verdict]:
    exact, sampled = table[table.sampling == "sub-batches"], table[table.sampling == "uniform"]
    change = exact.groupby("method")["mean"].agg(lambda x: x.max() - x.min())
    flat, steep = change[list(KERNEL)].max(), change[list(LOG_SUM_EXP)].min()
    family = sampled[sampled.method.isin(LOG_SUM_EXP)]
    away = shares(sampled[sampled.method.isin(KERNEL)], "limit").far.max()
    bias = shares(family[family.batch_size == SIZES[0]], "limit").near.min()
    off = shares(family[family.batch_size >= 64], "expected").far.max()
    ends = "of the range to total collapse, {} end of the 95 % interval"
    statements = [
        (
            "KCL: the mean over all sub-batches is the same for every M; largest change",
            flat,
            "<=",
            EXACT,
        ),
        (
            "InfoNCE, SimCLR, DCL, DHEL: that mean, less its growth, changes with M; smallest change (nats)",
            steep,
            ">",
            0.1,
        ),
        (
            f"KCL at uniform anchors, M = {SIZES[0]} to {SIZES[-1]}: distance from the closed form, as a share "
            + ends.format("far"),
            away,
            "<=",
            MARGIN,
        ),
        (
            f"the InfoNCE family at M = {SIZES[0]}, less its growth: distance from the limit, as a share "
            + ends.format("near"),
            bias,
            ">",
            MARGIN,
        ),
        (
            "the same family at M >= 64: distance from the expansion for large M, as a share " + ends.format("far"),
            off,
            "<=",
            FINE_MARGIN,
        ),
    ]
    return [verdict("C2", *statement) for statement in statements]
