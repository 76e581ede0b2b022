"""The cached probe of one run's frozen network on another data set than it was trained on."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from dhel_kcl.data.prepared import Prepared
from dhel_kcl.evaluation import linear, neighbours
from dhel_kcl.evaluation.embed import arithmetic, embed
from dhel_kcl.evaluation.spec import EvaluationSpec


def transfer(spec: EvaluationSpec, run: Path, data: Prepared, split: dict[str, NDArray]) -> dict[str, Any]:
    """Content of the transfer's file, that of probe.json without augmented probe, which the spec may ask for or not.

    Raises DamagedError naming a file of the run that is not what it should be.
    """
    spec = replace(spec, augmented=None)
    with arithmetic(spec.threads):
        embeddings = embed(spec, run, data, split)
        probes = linear.evaluate(embeddings).record()
        return probes | {"knn": neighbours.evaluate(embeddings), "spec": spec.as_dict()}
