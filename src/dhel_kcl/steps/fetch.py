"""Bring a data set to its prepared form: obtain its files, check them, write arrays with a manifest.

Example:
    dhel-kcl fetch --dataset digits --out data/digits
"""

from pathlib import Path

from dhel_kcl.data.catalogue import CATALOGUE
from dhel_kcl.data.fetching import fetch
from dhel_kcl.runtime import cli


def main() -> None:
    parser = cli.parser(__doc__)
    known = "; ".join(f"{name}: {dataset.obtained}" for name, dataset in CATALOGUE.items())
    parser.add_argument("--dataset", required=True, choices=CATALOGUE, help=f"name of the data set ({known})")
    parser.add_argument("--out", required=True, type=Path, help="folder to write")
    args = parser.parse_args()
    data = fetch(args.dataset, args.out)
    shape = "their own sizes" if data.encoded else f"shape {data.images.shape[1:]}"
    print(f"{args.out}: {len(data.labels)} images of {shape}, {data.classes} classes")
