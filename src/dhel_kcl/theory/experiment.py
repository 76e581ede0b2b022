"""What the theory experiments share: the losses, verdicts, the command line."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from threadpoolctl import threadpool_limits

from dhel_kcl.losses import DCLLoss, DHELLoss, InfoNCELoss, KCLLoss, SimCLRLoss
from dhel_kcl.losses.base import ContrastiveLoss
from dhel_kcl.runtime import cli
from dhel_kcl.runtime.files import write_json, write_text
from dhel_kcl.runtime.provenance import environment

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
    with threadpool_limits(1):  # those of NumPy and SciPy
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
