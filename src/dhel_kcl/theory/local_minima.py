"""Theory: how many descents end in local minima, by loss and setting, τ from 0.05 to 1.

Both views are free on S^(d-1), d = 4, with M = 8 pairs, whose best known set is the cross-polytope. For each setting
descents start at random points of its own, and once near a triangle and a pentagon in orthogonal planes, which random
starts hardly find. One ends at the least value, or at a local minimum: a stationary point above it from which the loss
falls in no direction to second order. DHEL `sum` is DHEL `mean` with twice the weight.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from dhel_kcl.geometry import sphere
from dhel_kcl.losses.base import ContrastiveLoss
from dhel_kcl.losses.dcl_loss import DCLLoss
from dhel_kcl.losses.dhel_loss import DHELLoss
from dhel_kcl.losses.infonce_loss import InfoNCELoss
from dhel_kcl.losses.kcl_loss import KCLLoss
from dhel_kcl.losses.simclr_loss import SimCLRLoss
from dhel_kcl.theory.minima import FLAT, NEAR, REACHED, rows, starts
from dhel_kcl.theory.verdict import Verdict, verdict

DIM, COUNT, STARTS = 4, 8, 30
RANDOM, POLYGONS = "random", "triangle and pentagon"
"""Where a descent starts."""
AWAY = 0.03
"""Standard deviation of what moves the coordinates of the polygons' points at the start."""
TEMPERATURES = (0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0)
WEIGHTS = (0.5, 1.0, 2.0, 4.0)
SCALES, GAMMAS = (1.0, 2.0, 4.0), (1.0, 4.0, 16.0)
PARAMETERS = ["temperature", "weight", "t", "gamma"]
"""Columns of the table with the parameters of settings, empty where a loss has no such."""


@dataclass(frozen=True)
class Setting:
    """A loss, by its method and its parameters' values."""

    method: str
    parameters: dict[str, float]
    loss: ContrastiveLoss


def settings() -> Iterator[Setting]:
    """Every loss at every setting. InfoNCE at weight 1: above 2 the cross-polytope is no minimiser of it."""
    for temperature in TEMPERATURES:
        yield Setting("infonce", {"temperature": temperature, "weight": 1.0}, InfoNCELoss(temperature))
        for weight in WEIGHTS:
            parameters = {"temperature": temperature, "weight": weight}
            yield Setting("simclr", parameters, SimCLRLoss(temperature, weight))
            yield Setting("dcl", parameters, DCLLoss(temperature, weight))
            yield Setting("dhel-mean", parameters, DHELLoss(temperature, "mean", weight))
    for t, gamma in itertools.product(SCALES, GAMMAS):
        for kernel in ("gaussian", "log"):
            yield Setting(f"kcl-{kernel}", {"t": t, "gamma": gamma}, KCLLoss(kernel, gamma, t=t))
    for gamma in GAMMAS:
        yield Setting("kcl-imq", {"gamma": gamma}, KCLLoss("imq", gamma))
        yield Setting("kcl-riesz", {"gamma": gamma}, KCLLoss("riesz", gamma))


def measure() -> pd.DataFrame:
    """One row a setting and start."""
    found: list[dict[str, Any]] = []
    for number, setting in enumerate(tqdm(list(settings()), unit="setting", mininterval=1)):
        seeds = range(number * STARTS, (number + 1) * STARTS)
        same = {"method": setting.method} | setting.parameters
        random = rows(setting.loss, seeds, starts(COUNT, DIM, seeds))
        polygons = rows(setting.loss, [number], near_polygons(number)[None])
        found += [same | {"begun": RANDOM} | end for end in random]
        found += [same | {"begun": POLYGONS} | end for end in polygons]
    return pd.DataFrame(found)


def near_polygons(seed: int) -> Tensor:
    """Both views of pairs near a triangle and a pentagon in orthogonal planes, shape (2, COUNT, DIM)."""
    points = torch.zeros(2, COUNT, DIM, dtype=torch.float64)
    for plane, corners in ((slice(0, 2), range(3)), (slice(2, 4), range(3, COUNT))):
        angles = 2 * math.pi * torch.arange(len(corners), dtype=torch.float64) / len(corners)
        points[:, corners, plane] = torch.stack([angles.cos(), angles.sin()], dim=1)
    points += AWAY * torch.from_numpy(sphere.uniform(2 * COUNT, DIM, seed)).view_as(points) * math.sqrt(DIM)
    return points / points.norm(dim=-1, keepdim=True)


def judge(table: pd.DataFrame) -> list[Verdict]:
    polygons, table = table[table.begun == POLYGONS], table[table.begun == RANDOM]
    kernels = table.method.str.startswith("kcl")
    published = table[~kernels & (table.weight == 1)]
    dhel = table[(table.method == "dhel-mean") & (table.temperature == min(TEMPERATURES))]
    arriving = {
        "SimCLR at every τ and weight": table[table.method == "simclr"],
        "InfoNCE, SimCLR, DCL and DHEL mean at weight 1 and every τ": published,
        "KCL log at three scales, IMQ and Riesz at one, every γ": table[kernels & (table.method != "kcl-gaussian")],
    }
    staying = {
        "DCL at weights above 1": table[(table.method == "dcl") & (table.weight > 1)],
        f"DHEL sum (DHEL mean with weight 2) at τ = {min(TEMPERATURES):g}": dhel[dhel.weight == 2],
        f"DHEL mean with weight 4 at τ = {min(TEMPERATURES):g}": dhel[dhel.weight == 4],
        "KCL Gaussian": table[table.method == "kcl-gaussian"],
    }
    entries = shared_minimisers(table)
    for what, rows_of in arriving.items():
        share = rows_of.reached.mean()
        name = f"{what}: share of {len(rows_of)} starts that reach the least value"
        entries.append(verdict("C1, limits", name, share, "=", 1))
    for what, rows_of in staying.items():
        share = rows_of.local_minimum.mean()
        name = f"{what}: share of {len(rows_of)} starts that end in a local minimum"
        entries.append(verdict("C1, limits", name, share, ">", 0))
    for what, method, weight in (("DHEL mean", "dhel-mean", 1), ("DCL", "dcl", 1), ("SimCLR", "simclr", 4)):
        here = polygons[(polygons.method == method) & (polygons.weight == weight)]
        count = here.local_minimum.sum()
        name = (
            f"{what} at weight {weight}: number of {len(here)} τ at which a triangle and a pentagon are a local minimum"
        )
        entries.append(verdict("C1, limits", name, count, ">", 0))
    slope = table[~table.reached].gradient.max()
    name = "descents that do not arrive end at stationary points; largest entry of their gradients"
    return [*entries, verdict("C1, limits", name, slope, "<", FLAT)]


def shared_minimisers(table: pd.DataFrame) -> list[Verdict]:
    """What the best descent of each setting says of claim C1."""
    best = table.loc[table.groupby(["method", *PARAMETERS], dropna=False).gap.idxmin()]
    gap = best.gap.abs().max()
    told = best[~best.method.isin(["infonce", "simclr"]) | (best.temperature > min(TEMPERATURES))]
    error = told[["misalignment", "distance_to_optimum"]].to_numpy().max()
    where = f"at all {len(best)} settings (τ and weight; γ, and the scale of KCL Gaussian and log)"
    name = f"{where} the best descent ends at the cross-polytope's value; largest gap"
    entries = [verdict("C1", name, gap, "<=", REACHED)]
    name = (
        f"at {len(told)} of them, without InfoNCE and SimCLR at τ = {min(TEMPERATURES):g}, whose gradients vanish as "
        "exp(-1/τ) before, it ends at aligned positives and a cross-polytope; largest error"
    )
    return [*entries, verdict("C1", name, error, "<=", NEAR)]
