"""The M x M pairs of a large batch in blocks, each forgotten after use, so that memory grows linearly in M.

Within a view the matrix is symmetric: only blocks on and above its diagonal are made, and what is right of the
diagonal counts for its rows and for its columns, which saves half of the products.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, NoReturn

import torch
from torch import Tensor

LARGEST_PLAIN = 256
"""For more instances than this, blocks are faster than a matrix of all pairs (`benchmarks/losses.py`)."""
ROWS, COLUMNS = 256, 4096
"""Size of a block, 4 MB in float32: wide for fast products, low for few pairs below the diagonal."""


def is_large(z: Tensor) -> bool:
    """Whether a batch (M, d) is computed in blocks."""
    return z.shape[0] > LARGEST_PLAIN


class Block(NamedTuple):
    """Rows and columns of a block, and those of its columns that count for columns, too."""

    rows: slice
    columns: slice
    mirrored: slice

    def mirror(self, block: Tensor) -> Tensor:
        """The part of a block's values that counts for columns, too."""
        return block[:, self.mirrored.start - self.columns.start :]

    def not_mirrored(self, block: Tensor) -> Tensor:
        """The rest of it, which has both (i, j) and (j, i)."""
        return block[:, : self.mirrored.start - self.columns.start]

    def fill(self, block: Tensor, value: float, excluded: Tensor | None) -> Tensor:
        """Overwrite the values of pairs (i, i) and of those that are excluded."""
        block.diagonal(self.rows.start - self.columns.start).fill_(value)
        return block if excluded is None else block.masked_fill_(excluded, value)


def blocks(count: int, symmetric: bool) -> Iterator[Block]:
    """All of a count x count matrix, or what is on and above the diagonal blocks of a symmetric one."""
    for start in range(0, count, ROWS):
        stop = min(start + ROWS, count)
        for left in range(start if symmetric else 0, count, COLUMNS):
            right = min(left + COLUMNS, count)
            mirrored = min(max(left, stop), right) if symmetric else left
            yield Block(slice(start, stop), slice(left, right), slice(mirrored, right))


def one_by_one(apply: Callable[..., Any], info: Any, in_dims: tuple[int | None, ...], *arguments: Any) -> Any:
    """vmap over large batches: one after the other, for the sake of memory. For `Function.vmap`."""
    results = [
        apply(*(x if dim is None else x.select(dim, i) for x, dim in zip(arguments, in_dims, strict=True)))
        for i in range(info.batch_size)
    ]
    if isinstance(results[0], tuple):
        return tuple(torch.stack(parts) for parts in zip(*results, strict=True)), (0,) * len(results[0])
    return torch.stack(results), 0


def refuse_second_derivative() -> NoReturn:
    raise RuntimeError("the loss of a large batch has no second derivative: call backward without create_graph")
