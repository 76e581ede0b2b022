"""What is minimised: a loss on features, behind the encoder that it trains."""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dhel_kcl.losses.base import ContrastiveLoss
from dhel_kcl.losses.gather import gathered
from dhel_kcl.losses.inputs import on_sphere
from dhel_kcl.registry import resolve
from dhel_kcl.training.backbones.base import Backbone
from dhel_kcl.training.networks import build_encoder, build_projector
from dhel_kcl.training.spec import PretrainSpec


class Objective(nn.Module):
    """Features (2M, d) of first and then second views, and labels (M,), to the loss and named parts of it."""

    minimum: float | None = None
    """Least value of the loss, where it is known."""

    def check(self) -> None:
        """Raise the ValueError that says why the last loss is not finite, if that is known of its input."""


class Contrastive(Objective):
    """Projector and contrastive loss of two views' features."""

    def __init__(self, projector: nn.Module, loss: ContrastiveLoss, minimum: float | None = None) -> None:
        super().__init__()
        self.projector, self.loss, self.minimum = projector, loss, minimum
        self.projections: tuple[Tensor, ...] = ()

    def forward(self, features: Tensor, labels: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss, its two terms and the metric alignment, a squared distance, of features of shape (2M, h); no labels."""
        z = self.projector(features).chunk(2)
        self.projections = tuple(x.detach() for x in z)
        u, v = on_sphere(*(gathered(*z)[:2] if self.loss.gather else z))
        terms = self.loss.terms(u, v)
        parts = {
            "alignment_term": terms.alignment,
            "energy_term": terms.energy,
            "alignment": (u - v).square().sum(dim=1).mean(),
        }
        return terms.loss, parts

    def check(self) -> None:
        if self.projections:
            self.loss.check(*self.projections)


class Supervised(Objective):
    """Cross-entropy of a linear head on the same features: the floor that sees the labels."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.head = nn.Linear(features, classes)

    def forward(self, features: Tensor, labels: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return cross_entropy(self.head(features), labels.repeat(2)), {}


class Model(nn.Module):
    """Encoder and objective: views (2M, C, H, W) and labels (M,) to the loss and its parts."""

    def __init__(self, encoder: nn.Module, objective: Objective) -> None:
        super().__init__()
        self.encoder, self.objective = encoder, objective

    def forward(self, views: Tensor, labels: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return self.objective(self.encoder(views), labels)


@dataclass(frozen=True)
class Networks:
    """The modules of one run; a floor's projector is drawn too, and left as it is."""

    encoder: Backbone
    projector: nn.Module
    objective: Objective


def build_networks(spec: PretrainSpec, channels: int, classes: int) -> Networks:
    """Networks for images of `channels`. Their weights are drawn in this order: encoder, projector, head."""
    encoder = build_encoder(spec.backbone, channels)
    projector = build_projector(encoder.features, spec.projector_dim)
    return Networks(encoder, projector, build_objective(spec, projector, encoder.features, classes))


def build_objective(spec: PretrainSpec, projector: nn.Module, features: int, classes: int) -> Objective:
    """The objective that the spec's loss names; with several processes, on the batch of all of them."""
    name = spec.loss["name"]
    if name in ("supervised", "random"):
        return Supervised(features, classes)
    parameters = {key: value for key, value in spec.loss.items() if key != "name"}
    loss = resolve("loss", name)(**parameters, gather=spec.processes > 1)
    return Contrastive(projector, loss, loss.minimum(spec.batch_size, spec.projector_dim))
