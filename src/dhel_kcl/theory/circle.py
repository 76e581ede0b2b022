"""Theory: what each part of a loss asks for, on the circle with two pairs (u_1, v_1), (u_2, v_2).

For each loss, descents from several random starts on two objectives over the four points: the energy alone (mean over
anchors of the log-denominator, with the positive where the loss has it there), and the whole loss. Angles are relative
to u_1. `free` counts the directions, besides the common rotation, along which the objective stays flat to second order
at the minimum: points that it leaves free.
"""

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from dhel_kcl.kernels.gaussian import GaussianKernel
from dhel_kcl.losses.dcl_loss import DCLLoss
from dhel_kcl.losses.dhel_loss import DHELLoss
from dhel_kcl.losses.kcl_loss import KCLLoss
from dhel_kcl.losses.simclr_loss import SimCLRLoss
from dhel_kcl.theory.methods import TEMPERATURE
from dhel_kcl.theory.verdict import Verdict, verdict

Objective = Callable[[Tensor, Tensor], Tensor]

POINTS = ("u1", "u2", "v1", "v2")
STARTS = 24
FLAT = 1e-6
"""Eigenvalues of the Hessian below this share of the largest count as 0."""
NEAR = 1e-3
"""Radians within which angles count as equal."""
GAMMA, KERNEL = 16.0, GaussianKernel()


def log_denominators(u: Tensor, v: Tensor, method: str) -> Tensor:
    """Log-denominator of the anchors u_1, u_2, shape (2,)."""
    same = torch.eye(2, dtype=torch.bool)
    within = (u @ u.T / TEMPERATURE).masked_fill(same, -torch.inf)
    cross = u @ v.T / TEMPERATURE
    similarities = {
        "simclr": [cross, within],
        "dcl": [cross.masked_fill(same, -torch.inf), within],
        "dhel-mean": [within],
    }
    return torch.cat(similarities[method], dim=1).logsumexp(dim=1)


def objectives(method: str) -> dict[str, Objective]:
    """The two objectives of a loss, as functions of two views (2, 2)."""
    if method == "kcl-gaussian":

        def kernel(x: Tensor, y: Tensor) -> Tensor:
            return KERNEL.energy((x - y).square().sum(dim=-1))

        return {
            "energy": lambda u, v: GAMMA * (kernel(u[0], u[1]) + kernel(v[0], v[1])),
            "whole loss": KCLLoss("gaussian", gamma=GAMMA),
        }
    whole = {
        "simclr": SimCLRLoss(TEMPERATURE),
        "dcl": DCLLoss(TEMPERATURE),
        "dhel-mean": DHELLoss(TEMPERATURE, "mean"),
    }[method]
    return {
        "energy": lambda u, v: (log_denominators(u, v, method) + log_denominators(v, u, method)).mean() / 2,
        "whole loss": whole,
    }


COUPLED = ("simclr", "dcl")
"""Losses whose denominators compare the two views. The energies of the others compare points of one view, so that they
leave the views free of each other by their formula: nothing is judged of that."""
METHODS = (*COUPLED, "dhel-mean", "kcl-gaussian")


def minimise(objective: Objective, seed: int) -> tuple[float, np.ndarray, int]:
    """Value, angles (u_1, u_2, v_1, v_2) and free directions at the local minimum found from a random start."""
    from scipy.optimize import minimize

    def of_angles(angles: Tensor) -> Tensor:
        points = torch.stack([angles.cos(), angles.sin()], dim=1)
        return objective(points[:2], points[2:])

    def value_and_gradient(x: np.ndarray) -> tuple[float, np.ndarray]:
        angles = torch.from_numpy(x).requires_grad_()
        value = of_angles(angles)
        (gradient,) = torch.autograd.grad(value, angles)
        return value.item(), gradient.numpy()

    start = np.random.default_rng(seed).uniform(0, 2 * math.pi, 4)
    found = minimize(value_and_gradient, start, jac=True, method="BFGS", options={"gtol": 1e-9})
    hessian = torch.autograd.functional.hessian(of_angles, torch.from_numpy(found.x))
    eigenvalues = np.linalg.eigvalsh(torch.as_tensor(hessian).numpy())
    return float(found.fun), found.x, int((eigenvalues < FLAT * eigenvalues.max()).sum()) - 1


def measure() -> pd.DataFrame:
    """One row a loss, objective and start; `reached` if it ended at the least value found."""
    rows = []
    for method in METHODS:
        for name, objective in objectives(method).items():
            ends = [minimise(objective, seed) for seed in range(STARTS)]
            least = min(value for value, _, _ in ends)
            for start, (value, angles, free) in enumerate(ends):
                relative = (angles - angles[0] + math.pi) % (2 * math.pi) - math.pi
                row = {"method": method, "objective": name, "start": start, "value": value, "free": free}
                rows.append(row | {"reached": value <= least + 1e-8} | dict(zip(POINTS, relative, strict=True)))
    return pd.DataFrame(rows)


def distance(x: pd.Series, y: pd.Series | float) -> pd.Series:
    """Angle between directions, in radians."""
    return ((x - y + math.pi) % (2 * math.pi) - math.pi).abs()


def judge(table: pd.DataFrame) -> list[Verdict]:
    table = table[table.reached]
    whole = table[table.objective == "whole loss"]
    aligned = pd.concat([distance(whole.v1, whole.u1), distance(whole.v2, whole.u2)]).max()
    opposite = distance(whole.u2, whole.u1 + math.pi).max()
    error = max(aligned, opposite)
    energy = table[table.objective == "energy"]
    simclr = energy[energy.method == "simclr"]
    apart = pd.concat([distance(simclr.v1, simclr.u1), distance(simclr.v2, simclr.u2)]).min()
    coupled_free = energy[energy.method.isin(COUPLED)].free.max()
    name = "two pairs on the circle: all four losses have the same minimiser, aligned and opposite; largest angle off"
    return [
        verdict("C1", name, error, "<=", NEAR, "rad"),
        verdict(
            "C1 terms",
            "SimCLR's log-denominator alone drives positives apart; least angle between positives (rad)",
            apart,
            ">",
            1,
        ),
        verdict(
            "C1 terms",
            "the log-denominators of SimCLR and DCL alone leave no point free of the others; directions left free",
            coupled_free,
            "=",
            0,
        ),
    ]
