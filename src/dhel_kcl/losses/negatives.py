"""Which instances are negatives of each other, where not all of them are."""

from typing import NamedTuple

import torch
from torch import Tensor

from dhel_kcl.losses.inputs import first

EVERYTHING = slice(None)


class Negatives(NamedTuple):
    """All instances but those of equal `ids` (M,), or those where `mask` (M, M) is True; never an instance itself."""

    ids: Tensor | None = None
    mask: Tensor | None = None

    def excluded(self, rows: slice = EVERYTHING, columns: slice = EVERYTHING) -> Tensor | None:
        """Of a block of the M x M pairs, True where j is no negative of i; the diagonal is left to the caller.

        None where all of them are.
        """
        if self.mask is not None:
            return ~self.mask[rows, columns]
        if self.ids is not None:
            return self.ids[rows, None] == self.ids[columns]
        return None

    def pairs(self, z: Tensor) -> Tensor | float:
        """How many pairs i < j of the instances z, shape (M, d), are negatives of each other, in the type of z."""
        count = z.shape[0]
        if self.mask is not None:
            return (self.mask.sum() - self.mask.diagonal().sum()).to(z.dtype) / 2
        if self.ids is not None:
            ordered = self.ids.sort().values
            equal = torch.searchsorted(ordered, ordered, right=True) - torch.searchsorted(ordered, ordered)
            return (count**2 - equal.sum()).to(z.dtype) / 2
        return count * (count - 1) / 2

    def one_if_sound(self) -> Tensor | None:
        """1, shape (), if every instance has a negative and the mask is symmetric, else NaN; None for all instances."""
        if self.mask is not None:
            sound = _rows(self.mask).all() & (self.mask == self.mask.T).all()
            return torch.where(sound, 1.0, torch.nan)
        if self.ids is not None:
            return torch.where((self.ids != self.ids[0]).any(), 1.0, torch.nan)
        return None

    def check_values(self) -> None:
        """Raise ValueError for an instance without a negative, which is named, and for an asymmetric mask."""
        if self.ids is not None and (self.ids == self.ids[0]).all():
            raise ValueError(f"row 0 of ids has no negative: all ids are {self.ids[0].item()}")
        if self.mask is None:
            return
        if (row := first((self.mask != self.mask.T).any(dim=1))) is not None:
            column = first(self.mask[row] != self.mask[:, row])
            pair = f"mask[{row}, {column}] is {bool(self.mask[row, column])}, mask[{column}, {row}] is not"
            raise ValueError(f"mask must be symmetric; {pair}")
        if (row := first(~_rows(self.mask))) is not None:
            raise ValueError(f"row {row} of mask has no negative: it is False wherever j != {row}")


ALL = Negatives()


def _rows(mask: Tensor) -> Tensor:
    """Whether each row is True somewhere off the diagonal."""
    return mask.sum(dim=1) > mask.diagonal().int()


def negatives(z: Tensor, ids: Tensor | None, mask: Tensor | None, processes: int = 1) -> Negatives:
    """The negatives that `ids` or `mask` leaves of the instances z, shape (M, d); of a mask of several processes the
    own rows.

    Raises ValueError, without a look at the values, for both of them, another shape, type or device.
    """
    if ids is None and mask is None:
        return ALL
    if ids is not None and mask is not None:
        raise ValueError("ids and mask both say which pairs are no negatives: pass one of them")
    count = z.shape[0]
    if ids is not None:
        integer = isinstance(ids, Tensor) and not (ids.is_floating_point() or ids.is_complex())
        _check_like("ids", ids, "integers", integer, (count,), z)
    if mask is not None:
        boolean = isinstance(mask, Tensor) and mask.dtype == torch.bool
        _check_like("mask", mask, "bool", boolean, (count, processes * count), z)
    return Negatives(ids, mask)


def _check_like(name: str, given: Tensor, kind: str, of_kind: bool, shape: tuple[int, ...], z: Tensor) -> None:
    rule = f"{name} must be {kind} of shape {shape}"
    if not isinstance(given, Tensor):
        raise ValueError(f"{rule}, in a tensor; got {type(given).__name__}")
    if not of_kind or given.shape != shape:
        raise ValueError(f"{rule}; got {given.dtype} of shape {tuple(given.shape)}")
    if given.device != z.device:
        raise ValueError(f"{name} must be on the embeddings' device {z.device}; got {given.device}")
