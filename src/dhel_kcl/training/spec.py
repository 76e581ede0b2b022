"""The resolved description of one job: everything that its result depends on besides code and data."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from dhel_kcl.runtime.files import DamagedError, read_json


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
    precision, device: as in the suite's config, "auto" included: what was taken stands in the run's record.
    processes: that share each batch.
    """

    dataset: str
    loss: dict[str, Any]
    batch_size: int
    backbone: dict[str, Any]
    projector_dim: int
    augment: dict[str, Any]
    training: dict[str, Any]
    precision: str
    compile: bool
    device: str
    processes: int
    threads: int
    seed: int


@dataclass(frozen=True)
class ProbeSpec(Spec):
    """Probes and geometry of one run.

    weight_decay: L2 penalty of the cached linear probe. neighbours: that vote in the nearest-neighbour classifier.
    augmented: settings of the linear probe on augmented images, None for no such probe.
    histogram_bins: of the similarity histogram. view_seed: of the two augmented views that alignment is measured on,
    augment: that augmentation. precision: of the augmented probe's encoder; everything else is in float32 or better.
    """

    weight_decay: float
    neighbours: int
    augmented: dict[str, Any] | None
    histogram_bins: int
    view_seed: int
    augment: dict[str, Any]
    precision: str
    device: str
    threads: int
