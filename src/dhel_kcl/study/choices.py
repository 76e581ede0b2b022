"""The sections of a config whose keys depend on what they name: losses, kernels, backbones, with their parameters.

To describe a new one, add it to LOSS_MODELS, KERNEL_MODELS or BACKBONE_MODELS, with a model of its own if need be.
"""

import itertools
import re
from dataclasses import dataclass, field
from typing import Annotated, Any, Self

from annotated_types import Ge, Le, Len, Lt, MultipleOf
from pydantic import AfterValidator, ModelWrapValidatorHandler, model_serializer, model_validator

from dhel_kcl.registry import REGISTRIES
from dhel_kcl.study.mistakes import mistake
from dhel_kcl.study.section import Named, Section
from dhel_kcl.study.values import Count, Grid, List, OneOf, Positive, Seed

TRAINING_AXES = ("learning_rate", "epochs", "updates")
"""Keys of an entry of `losses` that are hyperparameters of the training and not of the loss."""
LENGTHS = ("epochs", "updates")
"""Keys of a training that exclude each other."""
OF_CAUSES = (*LENGTHS, "seeds")
"""Keys of an entry that the section causes alone has."""


class Backbone(Section):
    """Encoder."""

    name: str
    """Architecture."""

    @model_serializer(mode="plain")
    def as_given(self) -> dict[str, Any]:
        """Name and given arguments. The network has the same defaults for the others."""
        return {key: getattr(self, key) for key in type(self).model_fields if key in {"name"} | self.model_fields_set}


class CompactResNet(Backbone):
    name: str = "compact_resnet"
    """compact_resnet."""
    width: Annotated[int, Ge(8), MultipleOf(8)] = 16
    """Channels of the first stage, a multiple of 8: torch 2.14's channels_last convolutions corrupt memory for 4."""
    stages: Annotated[int, Ge(1), Le(5)] = 3
    """Stages of one block, each twice as wide as the last."""
    stem_stride: Annotated[int, Ge(1), Le(2)] = 1
    """Stride of the first convolution; 2 halves the resolution at once, for a quarter of the arithmetic."""


class ResNet(Backbone):
    name: str
    """resnet18 or resnet50."""
    stem: Annotated[str, OneOf(("small", "imagenet"))] = "small"
    """small: 3x3 convolution without pooling, for images of about 32 pixels; imagenet: 7x7 of stride 2 and
    max-pooling."""


BACKBONE_MODELS: dict[str, type[Backbone]] = {"compact_resnet": CompactResNet, "resnet18": ResNet, "resnet50": ResNet}
"""The arguments of the registry's backbones."""


class UnknownBackbone(Backbone, extra="ignore"):
    name: Annotated[str, OneOf(tuple(BACKBONE_MODELS))] = "compact_resnet"
    """Architecture."""


def _backbone(content: dict[str, Any]) -> type[Section]:
    return BACKBONE_MODELS.get(str(content.get("name", "compact_resnet")), UnknownBackbone)


AnyBackbone = Annotated[Backbone, Named(_backbone)]


@dataclass(frozen=True)
class Setting:
    """A point of a grid.

    loss: {"name": registry name, **parameters}, as `PretrainSpec.loss` has it. training: what it changes of the
    training: {"learning_rate": 0.3}.
    """

    loss: dict[str, Any]
    training: dict[str, Any] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, Any]:
        """All hyperparameters."""
        return {key: value for key, value in self.loss.items() if key != "name"} | self.training

    @property
    def parameters(self) -> str:
        """As runs.csv has them: "form=sum temperature=0.3 learning_rate=1.0"."""
        return " ".join(f"{key}={value}" for key, value in self.values.items())


class Loss(Section):
    """A loss. Any parameter may be a list; all combinations are run and one is selected on validation accuracy."""

    loss: str
    """Which loss it is."""
    title: str | None = None
    """Name in tables and figures; the entry's own name by default."""
    learning_rate: Grid[Positive] = ()
    """Peak rate at the reference batch size, in place of training.learning_rate: a parameter like the loss's own."""
    epochs: Grid[Count] = ()
    """In `causes` alone: passes over the training images, in place of the length that training has."""
    updates: Grid[Count] = ()
    """In `causes` alone: steps of the optimiser, in place of the length that training has."""
    seeds: List[Seed] = ()
    """In `causes` alone: seeds of the entry's points, in place of causes.seeds."""
    _keys: tuple[str, ...] = ()

    @model_validator(mode="wrap")
    @classmethod
    def _keep_order(cls, content: Any, read: ModelWrapValidatorHandler[Self]) -> Self:
        entry = read(content)
        entry._keys = tuple(content)
        return entry

    @model_serializer(mode="plain")
    def as_given(self) -> dict[str, Any]:
        """What is written of it, in that order, which is the order of the grid and of the names of runs."""
        values = {key: getattr(self, key) for key in self._keys}
        return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}

    @property
    def fixed(self) -> dict[str, Any]:
        """{"name": registry name} and what else is no axis of the grid, as `PretrainSpec.loss` has it."""
        return {"name": self.loss}

    @property
    def axes(self) -> dict[str, tuple[Any, ...]]:
        """Values of each parameter that is given; the loss has the same defaults for the others."""
        values = {key: getattr(self, key) for key in self._keys if key != "seeds"}
        return {key: value for key, value in values.items() if isinstance(value, tuple)}

    @property
    def grid(self) -> list[Setting]:
        """All combinations of the parameters."""
        combinations = itertools.product(*self.axes.values())
        return [self._setting(dict(zip(self.axes, values, strict=True))) for values in combinations]

    def _setting(self, values: dict[str, Any]) -> Setting:
        of_training = {key: value for key, value in values.items() if key in TRAINING_AXES}
        return Setting(self.fixed | {key: values[key] for key in values if key not in of_training}, of_training)

    def identity(self, loss: dict[str, Any]) -> dict[str, Any]:
        """A loss of the grid with its defaults, the same for all ways in which the same function can be written."""
        known = {key: one.default for key, one in type(self).model_fields.items() if key not in Loss.model_fields}
        return {key: default[0] for key, default in known.items() if isinstance(default, tuple)} | loss

    @model_validator(mode="after")
    def _has_one_length(self) -> Self:
        if self.epochs and self.updates:
            raise mistake("give epochs or updates, one of the two")
        return self


class Tempered(Loss):
    temperature: Grid[Positive] = (0.5,)
    """Temperature tau."""
    energy_weight: Grid[Positive] = (1.0,)
    """Weight w of the energy against the alignment; 1 is the published loss."""


class DHEL(Tempered):
    temperature: Grid[Positive] = (0.3,)
    """Temperature tau."""
    form: Grid[Annotated[str, OneOf(("anchor", "mean", "sum"))]] = ("sum",)
    """Energy of the anchors only, of both views' mean, or of their sum (the released code)."""

    def identity(self, loss: dict[str, Any]) -> dict[str, Any]:
        """The sum is the mean with twice the weight."""
        full = super().identity(loss)
        return full | {"form": "mean", "energy_weight": 2 * full["energy_weight"]} if full["form"] == "sum" else full


class KCL(Loss):
    kernel: str
    """Kernel of the loss kcl, which has one."""
    gamma: Grid[Positive] = (16.0,)
    """Weight of the energy."""

    @property
    def fixed(self) -> dict[str, Any]:
        return {"name": self.loss, "kernel": self.kernel}


class KCLGaussian(KCL):
    t: Grid[Positive] = (2.0,)
    """Scale of the squared distance in the kernel."""


class KCLLog(KCL):
    t: Grid[Positive] = (2.0,)
    """Scale of the squared distance in the kernel."""
    released_alignment: Grid[bool] = (False,)
    """Double the alignment kernel as the released code does."""


class KCLIMQ(KCL):
    c: Grid[Positive] = (2.0,)
    """Scale of the inverse multiquadric."""


class KCLRiesz(KCL):
    q: Grid[Annotated[Positive, Lt(2)]] = (1.0,)
    """Exponent of the distance."""


class KCLGaussianRiesz(KCL):
    s: Grid[Positive] = (2.0,)
    """Exponent of the diverging energy."""


LOSS_MODELS: dict[str, type[Loss]] = {
    "infonce": Tempered,
    "simclr": Tempered,
    "dcl": Tempered,
    "dhel": DHEL,
}
"""The parameters of the registry's losses; those of kcl depend on its kernel."""
KERNEL_MODELS: dict[str, type[KCL]] = {
    "gaussian": KCLGaussian,
    "log": KCLLog,
    "imq": KCLIMQ,
    "riesz": KCLRiesz,
    "gaussian_riesz": KCLGaussianRiesz,
}
"""The parameters of the loss kcl with each of the registry's kernels."""


class UnknownLoss(Loss, extra="ignore"):
    loss: Annotated[str, OneOf((*LOSS_MODELS, "kcl"))]
    """Which loss it is."""


class UnknownKernel(KCL, extra="ignore"):
    kernel: Annotated[str, OneOf(tuple(KERNEL_MODELS))]
    """Kernel of the loss kcl, which has one."""


def _loss(content: dict[str, Any]) -> type[Section]:
    if content.get("loss") == "kcl":
        return KERNEL_MODELS.get(str(content.get("kernel")), UnknownKernel)
    name = str(content.get("loss"))
    if name in LOSS_MODELS and name not in REGISTRIES["loss"]:
        raise mistake(f"{name!r} stands in study/choices.py, but not among LOSSES in src/dhel_kcl/registry.py", "loss")
    return LOSS_MODELS.get(name, UnknownLoss)


def _loss_name(name: str) -> str:
    if not re.fullmatch("[a-z0-9-]+", name):
        raise mistake(f"{name!r} is no name of a loss; use a-z, 0-9 and -")
    return name


def _of_losses_alone(losses: dict[str, Loss]) -> dict[str, Loss]:
    for name, entry in losses.items():
        if wrong := [key for key in OF_CAUSES if getattr(entry, key)]:
            remedy = "remove it; seeds and training, and final for the selected settings, say it for all losses"
            raise mistake(f"is a key of entries of causes alone; {remedy}", f"{name}.{wrong[0]}")
    return losses


AnyLosses = Annotated[dict[Annotated[str, AfterValidator(_loss_name)], Annotated[Loss, Named(_loss)]], Len(1)]
"""Entries that may say how long each is trained, and with which seeds."""
Losses = Annotated[AnyLosses, AfterValidator(_of_losses_alone)]
