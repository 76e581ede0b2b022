"""The resolved description of one job: everything that its result depends on besides code and data."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, get_args, get_type_hints

from dhel_kcl.files import DamagedError, read_json
from dhel_kcl.views.augment import Augment


@dataclass(frozen=True)
class Spec:
    """Base: read from JSON with every key required that has no default, and none unknown, at every depth.

    A field whose type is a dataclass stands in JSON as an object with that dataclass's fields.
    """

    @classmethod
    def read(cls, source: str) -> Self:
        """Spec from a JSON text (starting with '{') or the path of a JSON file.

        Raises ValueError naming missing or unknown keys, and DamagedError for a file that is not a JSON object.
        """
        if source.lstrip().startswith("{"):
            return cls.of(json.loads(source))
        content = read_json(Path(source))
        if not isinstance(content, dict):
            raise DamagedError(f"{source} is damaged (not a JSON object); delete it and run again to rebuild it")
        return cls.of(content)

    @classmethod
    def of(cls, content: dict[str, Any]) -> Self:
        try:
            return _built(cls, content, "")
        except (TypeError, ValueError) as error:
            raise ValueError(f"{cls.__name__}: {error}") from None

    def as_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def _built(kind: Any, content: Any, place: str) -> Any:
    """Instance of the dataclass `kind`; `place` says in messages where its object stands."""
    if isinstance(content, kind):
        return content
    if not isinstance(content, dict):
        raise ValueError(f"{content!r} is not an object{place}")
    fields = {field.name: field for field in dataclasses.fields(kind)}
    if unknown := sorted(content.keys() - fields.keys()):
        raise ValueError(f"unknown key {unknown[0]!r}{place}; allowed: {', '.join(sorted(fields))}")
    required = {name for name, field in fields.items() if field.default is dataclasses.MISSING}
    if missing := sorted(required - content.keys()):
        raise ValueError(f"missing key {missing[0]!r}{place}")
    types = get_type_hints(kind)
    return kind(**{name: _value(types[name], value, name) for name, value in content.items()})


def _value(annotation: Any, value: Any, name: str) -> Any:
    inner = [kind for kind in (annotation, *get_args(annotation)) if dataclasses.is_dataclass(kind)]
    return _built(inner[0], value, f" in {name}") if inner and value is not None else value


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """SGD with linear warm-up and a cosine to 0.

    epochs: passes over the images; or updates: steps, of which the last epoch may leave some out. One of both is given.
    learning_rate: at the reference batch size, proportional to the batch size.
    momentum, weight_decay: as `optimiser.MomentumSGD` has them. warmup: share of the steps.
    """

    epochs: int | None = None
    updates: int | None = None
    learning_rate: float
    reference_batch_size: int
    momentum: float
    weight_decay: float
    warmup: float

    def __post_init__(self) -> None:
        if (self.epochs is None) == (self.updates is None):
            raise ValueError("training needs epochs or updates, and not both")


@dataclass(frozen=True)
class PretrainSpec(Spec):
    """One pretraining run.

    images: how the data set's images are had, by the registry's sources.
    loss: {"name": registry name, **parameters}, or {"name": "supervised"} / {"name": "random"} for the floors.
    batch_size: instances M; the network sees the 2M views in one forward pass.
    backbone: {"name": registry name, **arguments}.
    projector_dim: of the embeddings on the sphere.
    precision, device: as in the suite's config, "auto" included: what was taken stands in the run's record.
    processes: that share each batch. threads: of each process; where images are streamed, also its workers.
    """

    dataset: str
    images: Literal["memory", "streamed"]
    loss: dict[str, Any]
    batch_size: int
    backbone: dict[str, Any]
    projector_dim: int
    augment: Augment
    training: TrainingSettings
    precision: str
    compile: bool
    device: str
    processes: int
    threads: int
    seed: int

    @property
    def subset(self) -> str:
        """What is trained on, as splits name it: labelled images alone where the labels are used."""
        return "train" if self.loss["name"] == "supervised" else "pretrain"

    def steps(self, images: int) -> int:
        """Updates on so many images; 0 for the encoder that stays as it was drawn."""
        if self.loss["name"] == "random":
            return 0
        if self.training.updates is not None:
            return self.training.updates
        return (self.training.epochs or 0) * (images // self.batch_size)

    def as_dict(self) -> dict[str, Any]:
        content = super().as_dict()
        content["training"] = {key: value for key, value in content["training"].items() if value is not None}
        return content
