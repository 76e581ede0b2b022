"""The setting of a loss by validation accuracy.

Ties go to the lower validation cross-entropy, then to the earlier grid point. Test results are never read.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Candidate:
    """A run of the grid.

    loss, learning_rate: as in its `PretrainSpec`. Accuracy in %, cross-entropy in nats.
    """

    run: str
    loss: dict[str, Any]
    learning_rate: float
    validation_accuracy: float
    validation_cross_entropy: float

    @classmethod
    def of(cls, run: str, spec: Mapping[str, Any], probe: Mapping[str, Any]) -> Self:
        """The run of this name, by the content of its spec.json and probe.json. Raises KeyError where they lack any."""
        validation, rate = probe["validation"], spec["training"]["learning_rate"]
        return cls(run, spec["loss"], rate, float(validation["accuracy"]), float(validation["cross_entropy"]))


def best(candidates: Sequence[Candidate]) -> Candidate:
    """That of the highest accuracy, then of the lowest cross-entropy, then the first."""
    return min(candidates, key=lambda each: (-each.validation_accuracy, each.validation_cross_entropy))


def selected(candidates: Sequence[Candidate]) -> dict[str, Any]:
    """Content of selected.json: the best candidate, and all of them."""
    return dataclasses.asdict(best(candidates)) | {"candidates": [dataclasses.asdict(each) for each in candidates]}
