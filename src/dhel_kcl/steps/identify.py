"""Say which loss a callable computes: its values on seeded embeddings, fitted by every loss of this package.

The callable is a function or an object, or a class that needs no arguments; modules in this folder are found. It takes
two views' embeddings, shape (M, d) each, or both in one tensor, (2M, d) or (M, 2, d), and returns a scalar. One with
settings is named in a module of your own: `loss = NTXentLoss(temperature=0.1)`.

Example:
    dhel-kcl identify lightly.loss:NTXentLoss
"""

import argparse
import inspect
import os
import pkgutil
import sys
from collections.abc import Callable
from typing import Any

import torch

from dhel_kcl.losses.identification import identify
from dhel_kcl.runtime import cli


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("callable", metavar="package.module:callable", help="what is called")
    sizes = "batch sizes M; of one alone, sum and mean over the anchors cannot be told apart"
    parser.add_argument("--batch-sizes", type=_size, nargs="+", default=[6, 10], metavar="M", help=sizes)
    args = parser.parse_args()
    torch.set_num_threads(1)  # of so small tensors threads only wait for each other
    found = identify(imported(args.callable), args.batch_sizes)
    print(found)
    if found.same:
        print(f"called as {found.call} on {found.inputs}; largest deviation {found.deviation:.1e} of the values' range")


def _size(text: str) -> int:
    if not (text.isdecimal() and int(text) >= 3):
        raise argparse.ArgumentTypeError(f"a batch size is a whole number, at least 3; got {text!r}")
    return int(text)


def imported(target: str) -> Callable[..., Any]:
    """What "package.module:callable" names, a class made. Raises ValueError where that cannot be had."""
    if target.count(":") != 1:
        raise ValueError(f"name the loss as package.module:callable; got {target!r}")
    sys.path.insert(0, os.getcwd())
    try:
        found = pkgutil.resolve_name(target)
    except Exception as error:  # whatever the module raises
        raise ValueError(f"{target} cannot be imported: {type(error).__name__}: {error}") from error
    if inspect.isclass(found):
        try:
            found = found()
        except TypeError as error:
            remedy = f"name an object of it in a module of your own: `loss = {found.__name__}(...)`"
            raise ValueError(f"{target} is a class that needs arguments ({error}); {remedy}") from error
    if not callable(found):
        raise ValueError(f"{target} is a {type(found).__name__}, which cannot be called")
    return found
