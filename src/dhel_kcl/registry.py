"""What can be named in a config, and the module that provides it.

Entries are import strings, so naming one loss imports (and re-runs, when its code changes) that loss alone. To add a
loss, kernel or backbone: write its module, add a line here, and describe its parameters in `study.config`.
"""

from importlib import import_module
from typing import Any

PACKAGE = "dhel_kcl"

LOSSES = {
    "infonce": "dhel_kcl.losses.infonce:InfoNCELoss",
    "simclr": "dhel_kcl.losses.simclr:SimCLRLoss",
    "dcl": "dhel_kcl.losses.dcl:DCLLoss",
    "dhel": "dhel_kcl.losses.dhel:DHELLoss",
    "kcl": "dhel_kcl.losses.kcl:KCLLoss",
}

KERNELS = {
    "gaussian": "dhel_kcl.kernels.gaussian:GaussianKernel",
    "log": "dhel_kcl.kernels.log:LogKernel",
    "imq": "dhel_kcl.kernels.imq:IMQKernel",
    "riesz": "dhel_kcl.kernels.riesz:RieszKernel",
    "gaussian_riesz": "dhel_kcl.kernels.gaussian_riesz:GaussianRieszKernel",
}

DATASETS = {
    "digits": "dhel_kcl.data.sources.digits:fetch",
    "fashion_mnist": "dhel_kcl.data.sources.fashion_mnist:fetch",
    "cifar10": "dhel_kcl.data.sources.cifar:fetch_cifar10",
    "cifar100": "dhel_kcl.data.sources.cifar:fetch_cifar100",
    "stl10": "dhel_kcl.data.sources.stl10:fetch",
    "imagenet100": "dhel_kcl.data.sources.imagenet100:fetch",
}

BACKBONES = {
    "compact_resnet": "dhel_kcl.training.backbones.compact_resnet:CompactResNet",
    "resnet18": "dhel_kcl.training.backbones.resnet:ResNet18",
    "resnet50": "dhel_kcl.training.backbones.resnet:ResNet50",
}

SOURCES = {
    "encoded": "dhel_kcl.views.streaming:Streaming",
}
"""What gives images that are not kept in memory; those of the data sets `ENCODED`."""

ENCODED = {"imagenet100"}

REGISTRIES = {"loss": LOSSES, "kernel": KERNELS, "dataset": DATASETS, "backbone": BACKBONES, "source": SOURCES}


def resolve(kind: str, name: str) -> Any:
    """Import the object that `name` stands for among the `kind`s (loss, kernel, dataset, backbone, source).

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
