"""Bring a data set to its prepared form: obtain its files, check them, write arrays with a manifest.

With --folder, of images of one's own: one sub-folder a class, below train, val and test where there are such.

Example:
    dhel-kcl fetch --dataset digits --out data/digits
    dhel-kcl fetch --dataset mine --folder /path/to/images --size 64 --out data/mine
"""

import argparse
from pathlib import Path

from dhel_kcl.data.catalogue import CATALOGUE, LARGEST_IN_MEMORY
from dhel_kcl.data.fetching import fetch, fetch_own
from dhel_kcl.runtime import cli

SIZE = 64


def main() -> None:
    parser = cli.parser(__doc__)
    known = "; ".join(f"{name}: {dataset.obtained}" for name, dataset in CATALOGUE.items())
    parser.add_argument("--dataset", required=True, help=f"name of the data set ({known}), or your own name")
    parser.add_argument("--folder", type=Path, help="folder of your own images")
    parser.add_argument("--size", type=int, help=f"height and width of your own images (default: {SIZE})")
    parser.add_argument(
        "--streamed",
        action=argparse.BooleanOptionalAction,
        help=f"leave your own images as files; if nothing is said, they are where --size is above {LARGEST_IN_MEMORY}",
    )
    parser.add_argument("--out", required=True, type=Path, help="folder to write")
    args = parser.parse_args()
    if args.folder:
        data = fetch_own(args.dataset, args.out, args.folder.expanduser(), args.size or SIZE, args.streamed)
    elif args.size is not None or args.streamed is not None:
        parser.error("--size and --streamed are for your own images: give their --folder, or leave them out")
    else:
        data = fetch(args.dataset, args.out)
    shape = "their own sizes" if data.encoded else f"shape {data.images.shape[1:]}"
    print(f"{args.out}: {len(data.labels)} images of {shape}, {data.classes} classes")
