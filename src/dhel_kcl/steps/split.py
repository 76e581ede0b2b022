"""Draw a suite's training, validation and test images from a data set, stratified by class, by a fixed seed.

Where the data set has an official test part, the test images come from there; otherwise from all images. Pretraining
uses the training images, and all unlabeled ones where there are some.

Example:
    dhel-kcl split --data data/digits --train 897 --validation 300 --test 600 --seed 0 --out split.npz
"""

from pathlib import Path

from dhel_kcl.data import prepared, split
from dhel_kcl.runtime import cli


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--data", required=True, type=Path, help="prepared data set")
    parser.add_argument("--train", type=int, help="training images (default: all that are left)")
    parser.add_argument("--validation", required=True, type=int, help="validation images")
    parser.add_argument("--test", required=True, type=int, help="test images")
    parser.add_argument("--seed", default=0, type=int, help="seed of the draw")
    parser.add_argument("--out", required=True, type=Path, help="file to write (.npz)")
    args = parser.parse_args()
    data = prepared.read(args.data, verify=True)
    subsets = split.draw(data.labels, data.part, args.train, args.validation, args.test, args.seed)
    split.write(args.out, subsets, split.Origin.of(data.manifest))
    print(", ".join(f"{name}: {len(index)} images" for name, index in subsets.items()))
