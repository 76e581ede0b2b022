"""What the theory experiments share: the losses, descent on the sphere, verdicts, the command line."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from dhel_kcl import cli, sphere
from dhel_kcl.files import write_json, write_text
from dhel_kcl.losses import DCLLoss, DHELLoss, InfoNCELoss, KCLLoss, SimCLRLoss
from dhel_kcl.losses.base import ContrastiveLoss
from dhel_kcl.provenance import environment

TEMPERATURE = 0.5
LOG_SUM_EXP: dict[str, ContrastiveLoss] = {
    "infonce": InfoNCELoss(TEMPERATURE),
    "simclr": SimCLRLoss(TEMPERATURE),
    "dcl": DCLLoss(TEMPERATURE),
    "dhel-anchor": DHELLoss(TEMPERATURE, "anchor"),
    "dhel-mean": DHELLoss(TEMPERATURE, "mean"),
    "dhel": DHELLoss(TEMPERATURE, "sum"),
}
KERNEL: dict[str, ContrastiveLoss] = {
    "kcl-gaussian": KCLLoss("gaussian"),
    "kcl-log": KCLLoss("log"),
    "kcl-imq": KCLLoss("imq"),
    "kcl-riesz": KCLLoss("riesz"),
}
LOSSES = LOG_SUM_EXP | KERNEL

SUPPORTED, CONTRADICTED = "supported", "contradicted"


@dataclass(frozen=True)
class Verdict:
    """A statement, the claim it belongs to, what was measured, what it had to be, and whether it was."""

    claim: str
    statement: str
    measured: float
    threshold: str
    verdict: str


def verdict(claim: str, statement: str, measured: float, threshold: str, holds: bool) -> Verdict:
    return Verdict(claim, statement, float(measured), threshold, SUPPORTED if holds else CONTRADICTED)


@dataclass(frozen=True)
class Descent:
    """Where a descent ended: its value and two views (count, dim) of unit vectors."""

    value: float
    u: Tensor
    v: Tensor
    evaluations: int


def descend(objective: Callable[[Tensor, Tensor], Tensor], u: NDArray, v: NDArray, evaluations: int = 2000) -> Descent:
    """Local minimum of objective(u, v) over two free views on the sphere, by L-BFGS in float64.

    Args:
        objective: differentiable, sees unit vectors (M, d); the descent runs over their unnormalised multiples.
        u, v: start, shape (M, d).
        evaluations: most evaluations of the objective.
    """
    from scipy.optimize import minimize

    shape = (2, *u.shape)

    def value_and_gradient(flat: NDArray) -> tuple[float, NDArray]:
        points = torch.from_numpy(flat).view(shape).requires_grad_()
        value = objective(*unit(points))
        (gradient,) = torch.autograd.grad(value, points)
        return value.item(), gradient.numpy().ravel()

    options = {"ftol": 0, "gtol": 1e-10, "maxiter": evaluations, "maxfun": evaluations, "maxcor": 20}
    found = minimize(value_and_gradient, np.stack([u, v]).ravel(), jac=True, method="L-BFGS-B", options=options)
    u_end, v_end = unit(torch.from_numpy(found.x).view(shape))
    return Descent(float(found.fun), u_end, v_end, int(found.nfev))


def unit(points: Tensor) -> Tensor:
    return points / points.norm(dim=-1, keepdim=True)


def random_views(count: int, dim: int, seed: int) -> tuple[NDArray, NDArray]:
    """Two independent uniform views, shape (count, dim) each."""
    points = sphere.uniform(2 * count, dim, seed)
    return points[:count], points[count:]


def main(
    description: str | None,
    measure: Callable[[], pd.DataFrame],
    judge: Callable[[pd.DataFrame], list[Verdict]],
) -> None:
    """Command line of an experiment: measure, judge, write <out>.csv, <out>.json and a record of the circumstances."""
    parser = cli.parser(description)
    parser.add_argument("--out", required=True, type=Path, help="path without extension; .csv and .json are written")
    parser.add_argument("--record", required=True, type=Path, help="file to write versions, machine and time to")
    args = parser.parse_args()
    torch.set_num_threads(1)
    started = time.perf_counter()
    table = measure()
    record = environment() | {
        "device": "cpu",
        "precision": "fp64",
        "threads": 1,
        "seconds": time.perf_counter() - started,
    }
    verdicts: list[dict[str, Any]] = [asdict(entry) for entry in judge(table)]
    write_text(args.out.with_suffix(".csv"), table.to_csv(index=False, lineterminator="\n"))
    write_json(args.out.with_suffix(".json"), verdicts)
    write_json(args.record, record)
