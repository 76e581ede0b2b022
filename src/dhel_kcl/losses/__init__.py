"""Contrastive losses on the unit sphere, each as a function of unit vectors (u, v) and as a module of raw (z0, z1).

    >>> import torch
    >>> from dhel_kcl.losses import DHELLoss
    >>> loss = DHELLoss(temperature=0.3)
    >>> loss(torch.randn(8, 16), torch.randn(8, 16)).shape
    torch.Size([])

May import kernels and geometry. A change of one loss reruns the theory and the trainings by that loss. Functions and
classes are imported on first use; inside the package they are imported from their own modules, which digests follow.
"""

from typing import TYPE_CHECKING, Any

from dhel_kcl.registry import LOSSES, load

if TYPE_CHECKING:
    from dhel_kcl.losses.base import ContrastiveLoss as ContrastiveLoss
    from dhel_kcl.losses.dcl_loss import DCLLoss as DCLLoss
    from dhel_kcl.losses.dcl_loss import dcl as dcl
    from dhel_kcl.losses.dhel_loss import DHELLoss as DHELLoss
    from dhel_kcl.losses.dhel_loss import dhel as dhel
    from dhel_kcl.losses.infonce_loss import InfoNCELoss as InfoNCELoss
    from dhel_kcl.losses.infonce_loss import infonce as infonce
    from dhel_kcl.losses.kcl_loss import KCLLoss as KCLLoss
    from dhel_kcl.losses.kcl_loss import kcl as kcl
    from dhel_kcl.losses.simclr_loss import SimCLRLoss as SimCLRLoss
    from dhel_kcl.losses.simclr_loss import simclr as simclr

EXPORTED = {target.split(":")[1]: target for target in LOSSES.values()}
EXPORTED |= {name: f"{LOSSES[name].split(':')[0]}:{name}" for name in ("infonce", "simclr", "dcl", "dhel", "kcl")}

__all__ = [*EXPORTED]


def __getattr__(attribute: str) -> Any:
    if attribute in EXPORTED:
        return load(EXPORTED[attribute])
    raise AttributeError(f"module {__name__!r} has no attribute {attribute!r}")


def __dir__() -> list[str]:
    return sorted(EXPORTED)
