"""The losses that the experiments compare."""

from dhel_kcl.losses.base import ContrastiveLoss
from dhel_kcl.losses.dcl_loss import DCLLoss
from dhel_kcl.losses.dhel_loss import DHELLoss
from dhel_kcl.losses.infonce_loss import InfoNCELoss
from dhel_kcl.losses.kcl_loss import KCLLoss
from dhel_kcl.losses.simclr_loss import SimCLRLoss

TEMPERATURE = 0.5
LOG_SUM_EXP: dict[str, ContrastiveLoss] = {
    "infonce": InfoNCELoss(TEMPERATURE),
    "simclr": SimCLRLoss(TEMPERATURE),
    "dcl": DCLLoss(TEMPERATURE),
    "dhel-anchor": DHELLoss(TEMPERATURE, "anchor"),
    "dhel-mean": DHELLoss(TEMPERATURE, "mean"),
    "dhel": DHELLoss(TEMPERATURE, "sum"),
}
KERNEL: dict[str, ContrastiveLoss] = {
    "kcl-gaussian": KCLLoss("gaussian"),
    "kcl-log": KCLLoss("log"),
    "kcl-imq": KCLLoss("imq"),
    "kcl-riesz": KCLLoss("riesz"),
}
LOSS_OF = LOG_SUM_EXP | KERNEL
"""The loss of each method that experiments compare."""
