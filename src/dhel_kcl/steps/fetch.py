"""Step 1: bring a data set to its prepared form.

Example:
    python -m dhel_kcl.steps.fetch --dataset digits --out data/digits
"""

from pathlib import Path

from dhel_kcl.data import prepared
from dhel_kcl.data.catalogue import CATALOGUE, source_of
from dhel_kcl.runtime import cli


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--dataset", required=True, choices=CATALOGUE, help="name of the data set")
    parser.add_argument("--out", required=True, type=Path, help="folder to write")
    args = parser.parse_args()
    source_of(args.dataset)(args.out)
    data = prepared.read(args.out, verify=True)
    shape = "their own sizes" if data.encoded else f"shape {data.images.shape[1:]}"
    print(f"{args.out}: {len(data.labels)} images of {shape}, {data.manifest['classes']} classes")


if __name__ == "__main__":
    cli.run(main)
