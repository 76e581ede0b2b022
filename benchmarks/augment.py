"""Views per second of one core: this package's batched augmentation against torchvision's transforms of PIL images.

Both make the views of the CIFAR recipe (random resized crop, flip, jitter with probability 0.8, greyscale with 0.2,
float tensor) from the same random 32x32 colour images in memory, on one thread of one process without a DataLoader;
the rounds alternate, and time is the process's CPU time, so that other work on the machine counts little.

Example:
    python benchmarks/augment.py --output augment.csv
"""

import argparse
from collections.abc import Callable

import pandas as pd
import torch
from PIL import Image
from timing import compare
from torchvision import transforms

from dhel_kcl import cli
from dhel_kcl.augment import Augment

COLOUR = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1}


def pil_pipeline(size: int) -> Callable[[Image.Image], torch.Tensor]:
    return transforms.Compose(
        [
            transforms.RandomResizedCrop(size, scale=(0.08, 1.0), interpolation=transforms.InterpolationMode.BICUBIC),
            transforms.RandomHorizontalFlip(),
            transforms.RandomApply([transforms.ColorJitter(**COLOUR)], p=0.8),
            transforms.RandomGrayscale(p=0.2),
            transforms.ToTensor(),
        ]
    )


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--views", default=512, type=int, help="views in a batch")
    parser.add_argument("--size", default=32, type=int, help="height and width of an image")
    parser.add_argument("--rounds", default=20, type=int, help="alternations")
    parser.add_argument("--output", default=argparse.SUPPRESS, help="CSV of the result")
    args = parser.parse_args()

    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (args.views, 3, args.size, args.size), dtype=torch.uint8, generator=generator)
    pictures = [Image.fromarray(image) for image in images.permute(0, 2, 3, 1).numpy()]
    theirs = pil_pipeline(args.size)
    ours = Augment(crop_scale=(0.08, 1.0), flip=0.5, jitter=0.8, grey=0.2, **COLOUR)

    def baseline() -> torch.Tensor:
        return torch.stack([theirs(picture) for picture in pictures])

    def batched() -> torch.Tensor:
        return ours(images, generator)

    times = compare(batched, baseline, args.rounds)
    row = {"size": args.size, "views": args.views}
    row |= {"ours_views_per_s": args.views / times["ours_s"], "pil_views_per_s": args.views / times["baseline_s"]}
    table = pd.DataFrame([row | {name: times[name] for name in ("ratio", "ratio_low", "ratio_high")}])
    print(table.to_markdown(index=False, floatfmt=".4g"))
    if "output" in args:
        table.to_csv(args.output, index=False)


if __name__ == "__main__":
    cli.run(main)
