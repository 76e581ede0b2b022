"""The resolved description of one job: everything that its result depends on besides code and data."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from dhel_kcl.files import DamagedError, read_json


@dataclass(frozen=True)
class Spec:
    """Base: read from JSON with every key required and none unknown."""

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
        names = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(content.keys() - names):
            raise ValueError(f"{cls.__name__}: unknown key {unknown[0]!r}; allowed: {', '.join(sorted(names))}")
        if missing := sorted(names - content.keys()):
            raise ValueError(f"{cls.__name__}: missing key {missing[0]!r}")
        return cls(**content)

    def as_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class PretrainSpec(Spec):
    """One pretraining run.

    loss: {"name": registry name, **parameters}, or {"name": "supervised"} / {"name": "random"} for the floors.
    backbone: {"name": registry name, **arguments}; augment, training: as in the suite's config.
    batch_size: instances M; the network sees the 2M views in one forward pass.
    """

    dataset: str
    loss: dict[str, Any]
    batch_size: int
    backbone: dict[str, Any]
    projector_dim: int
    augment: dict[str, Any]
    training: dict[str, Any]
    precision: str
    threads: int
    seed: int


@dataclass(frozen=True)
class ProbeSpec(Spec):
    """Linear probe and geometry of one run: `weight_decay` of the probe, bins of the similarity histogram,
    seed of the two augmented views that alignment is measured on, and that augmentation."""

    weight_decay: float
    histogram_bins: int
    view_seed: int
    augment: dict[str, Any]
    threads: int
