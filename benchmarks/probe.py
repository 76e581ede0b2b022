"""Core-seconds of the linear probe: the evaluation's solver against L-BFGS on the weights as they are.

Both solve one logistic regression to the optimum, in float64 on one thread: unit features of 10 classes as a network
gives them, nearly one direction in common, the others' spread falling to a thousandth.

Example:
    python benchmarks/probe.py --output probe.csv
"""

from pathlib import Path

import pandas as pd
import torch
from baselines import plain_probe
from timing import COLUMNS, compare, finish
from torch import Tensor
from torch.nn.functional import normalize

from dhel_kcl.evaluation.logistic import LogisticRegression
from dhel_kcl.runtime import cli

IMAGES, DIM, CLASSES, WEIGHT_DECAY = 45_000, 128, 10, 1e-5


def features(images: int, dim: int) -> tuple[Tensor, Tensor]:
    """Unit vectors (images, dim) and their classes."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(CLASSES, (images,), generator=generator)
    centres, noise = torch.randn(CLASSES, dim, generator=generator), torch.randn(images, dim, generator=generator)
    mixing = torch.linalg.qr(torch.randn(dim, dim, generator=generator)).Q
    return normalize(5 + ((centres[labels] / 2 + noise) * torch.logspace(0, -3, dim)) @ mixing), labels


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--rounds", default=5, type=int, help="alternations")
    parser.add_argument("--output", type=Path, help="CSV of the result")
    args = parser.parse_args()

    torch.set_num_threads(1)
    points, labels = features(IMAGES, DIM)
    times = compare(
        lambda: LogisticRegression(points, labels, CLASSES).fit(WEIGHT_DECAY),
        lambda: plain_probe(points, labels, CLASSES, WEIGHT_DECAY),
        args.rounds,
    )
    what = f"linear probe, {IMAGES:,} x {DIM}, {CLASSES} classes"
    row = {"what": what, "baseline": "L-BFGS to a gradient of 1e-7", "threads": 1, **times, "target": 8}
    table = pd.DataFrame([row], columns=COLUMNS)
    finish(table, args.output)


if __name__ == "__main__":
    cli.run(main)
