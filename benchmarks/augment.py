"""Views per second of one core: this package's batched augmentation against torchvision's transforms of PIL images.

Both make the views of the CIFAR recipe (random resized crop, flip, jitter with probability 0.8, greyscale with 0.2,
float tensor) from the same random 32x32 colour images in memory, on one thread of one process without a DataLoader;
the rounds alternate, and time is the process's CPU time, so that other work on the machine counts little.

Example:
    python benchmarks/augment.py --rounds 20
"""

import time
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
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


def seconds(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--views", default=512, type=int, help="views in a batch")
    parser.add_argument("--size", default=32, type=int, help="height and width of an image")
    parser.add_argument("--rounds", default=20, type=int, help="alternations")
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

    baseline(), batched()
    times = np.array([[seconds(baseline), seconds(batched)] for _ in range(args.rounds)])
    for name, column in (("PIL", times[:, 0]), ("batched", times[:, 1])):
        low, middle, high = args.views / np.quantile(column, [0.75, 0.5, 0.25])
        print(f"{name:8} {middle:8.0f} views/s per core (quartiles {low:.0f} to {high:.0f})")
    low, middle, high = np.quantile(times[:, 0] / times[:, 1], [0.25, 0.5, 0.75])
    print(f"ratio    {middle:8.2f} (quartiles {low:.2f} to {high:.2f}, {args.rounds} rounds)")


if __name__ == "__main__":
    cli.run(main)
