"""Views per second of one core: this package's batched augmentation against torchvision's transforms of PIL images.

Both make the views of the CIFAR recipe (random resized crop, flip, jitter with probability 0.8, greyscale with 0.2,
float tensor) from the same random 32x32 colour images in memory, on one thread of one process without a DataLoader;
the rounds alternate, and time is the process's CPU time, so that other work on the machine counts little.

Example:
    python benchmarks/augment.py --output augment.csv
"""

from pathlib import Path

import pandas as pd
import torch
from baselines import pictures, pil_pipeline
from timing import COLUMNS, compare, finish

from dhel_kcl.runtime import cli
from dhel_kcl.views.augment import Augment

VIEWS, SIDE = 512, 32
CIFAR = Augment(
    crop_scale=(0.08, 1.0), flip=0.5, jitter=0.8, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, grey=0.2
)


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--rounds", default=5, type=int, help="alternations, ten times as many are made")
    parser.add_argument("--output", type=Path, help="CSV of the result")
    args = parser.parse_args()

    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (VIEWS, 3, SIDE, SIDE), dtype=torch.uint8, generator=generator)
    pil, theirs = pictures(images), pil_pipeline(CIFAR, SIDE)

    def baseline() -> torch.Tensor:
        return torch.stack([theirs(picture) for picture in pil])

    times = compare(lambda: CIFAR(images, generator), baseline, 10 * args.rounds)
    what = f"augmentation, {VIEWS} views of {SIDE}x{SIDE}x3"
    row = {"what": what, "baseline": "torchvision's transforms of PIL images", "threads": 1, **times, "target": 6}
    table = pd.DataFrame([row], columns=COLUMNS)
    finish(table, args.output)


if __name__ == "__main__":
    cli.run(main)
