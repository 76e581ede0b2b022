"""What can be named in a config, and the module that provides it. Data sets have a place of their own, data.catalogue.

Entries are import strings, so naming one loss imports (and reruns, when its code changes) that loss alone. To add a
loss, kernel or backbone: write its module, add a line here, and describe its parameters in `study.choices`.
"""

from importlib import import_module
from typing import Any

PACKAGE = "dhel_kcl"

LOSSES = {
    "infonce": "dhel_kcl.losses.infonce_loss:InfoNCELoss",
    "simclr": "dhel_kcl.losses.simclr_loss:SimCLRLoss",
    "dcl": "dhel_kcl.losses.dcl_loss:DCLLoss",
    "dhel": "dhel_kcl.losses.dhel_loss:DHELLoss",
    "kcl": "dhel_kcl.losses.kcl_loss:KCLLoss",
}

KERNELS = {
    "gaussian": "dhel_kcl.kernels.gaussian:GaussianKernel",
    "log": "dhel_kcl.kernels.log:LogKernel",
    "imq": "dhel_kcl.kernels.imq:IMQKernel",
    "riesz": "dhel_kcl.kernels.riesz:RieszKernel",
    "gaussian_riesz": "dhel_kcl.kernels.gaussian_riesz:GaussianRieszKernel",
}

BACKBONES = {
    "compact_resnet": "dhel_kcl.training.backbones.compact_resnet:CompactResNet",
    "resnet18": "dhel_kcl.training.backbones.resnet:ResNet18",
    "resnet50": "dhel_kcl.training.backbones.resnet:ResNet50",
}

SOURCES = {
    "memory": "dhel_kcl.views.memory:InMemory",
    "streamed": "dhel_kcl.views.streaming:Streaming",
}
"""What gives a data set's images; data.catalogue says which."""

REGISTRIES = {"loss": LOSSES, "kernel": KERNELS, "backbone": BACKBONES, "source": SOURCES}


def resolve(kind: str, name: str) -> Any:
    """Import the object that `name` stands for among the `kind`s (loss, kernel, backbone, source).

    Raises ValueError naming the allowed values if there is no such entry.
    """
    registry = REGISTRIES[kind]
    if name not in registry:
        raise ValueError(f"unknown {kind} {name!r}; allowed: {', '.join(registry)}")
    return load(registry[name])


def load(target: str) -> Any:
    """The object that an import string "module:attribute" names."""
    module, attribute = target.split(":")
    return getattr(import_module(module), attribute)
