"""The evaluation of one run: its frozen network's embeddings of a split, and all evaluators on them.

Features h of the backbone are computed once, without augmentation. Logistic regressions, whose penalty and scaling are
chosen on validation, and a vote of nearest neighbours (by cosine) are fitted on the training images. Where the spec
says `augmented`, a linear head on h is trained besides, by SGD on augmented training images, as in the released
training code, and its accuracy is the one reported.
Geometry is measured on the L2-normalised test-image embeddings z (projector output, unless the run has no trained
projector) and h; alignment on two augmented views of the test images, the variance of negative similarities on two of
training images, all drawn by a fixed seed.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from dhel_kcl.data.prepared import Prepared
from dhel_kcl.evaluation import augmented, geometry, linear, neighbours, similarities, spectrum
from dhel_kcl.evaluation.accuracy import Classification
from dhel_kcl.evaluation.embed import Embeddings, Progress, arithmetic, embed
from dhel_kcl.evaluation.geometry import Geometry
from dhel_kcl.evaluation.linear import LinearProbes
from dhel_kcl.evaluation.similarities import Histogram
from dhel_kcl.evaluation.spec import EvaluationSpec
from dhel_kcl.geometry.metrics import Array
from dhel_kcl.training.spec import PretrainSpec

EVALUATORS: dict[str, Callable[[Embeddings], Any]] = {
    "linear": linear.evaluate,
    "augmented": augmented.evaluate,
    "neighbours": neighbours.evaluate,
    "geometry": geometry.evaluate,
    "spectrum": spectrum.evaluate,
    "similarities": similarities.evaluate,
}
"""What each gives is the field of `Report` of its name."""


@dataclass(frozen=True, eq=False)
class Report:
    """What the evaluators found, and as methods the content of each file of it.

    test_images, labels: indices (N,) within the data set, and classes. Of the rest see the evaluators of these names.
    """

    spec: EvaluationSpec
    test_images: list[int]
    labels: list[int]
    linear: LinearProbes
    augmented: Classification | None
    neighbours: dict[str, float]
    geometry: dict[str, Geometry]
    spectrum: dict[str, Array]
    similarities: dict[str, Histogram]

    def accuracies(self) -> dict[str, Any]:
        """probe.json."""
        cached = self.linear.record()
        found = cached if self.augmented is None else {"protocol": "augmented", "cached": cached}
        scores = {} if self.augmented is None else self.augmented.record()
        return found | scores | {"knn": self.neighbours, "spec": self.spec.as_dict()}

    def predictions(self) -> list[dict[str, int]]:
        """predictions.csv: of the probe whose accuracy is reported."""
        predictions = (self.augmented or self.linear.chosen.classification).predictions
        columns = zip(self.test_images, self.labels, predictions, strict=True)
        return [{"image": image, "label": label, "prediction": prediction} for image, label, prediction in columns]

    def geometries(self) -> dict[str, dict[str, float]]:
        """geometry.json."""
        return {space: asdict(found) for space, found in self.geometry.items()}

    def spectra(self) -> list[dict[str, Any]]:
        """spectrum.csv."""
        return [
            {"space": space, "index": k + 1, "singular_value": value}
            for space, values in self.spectrum.items()
            for k, value in enumerate(values)
        ]

    def histograms(self) -> list[dict[str, Any]]:
        """similarities.csv."""
        return [
            {"space": space, "similarity": edge, "density": density}
            for space, histogram in self.similarities.items()
            for edge, density in zip(histogram.edges, histogram.density, strict=True)
        ]


def evaluate(
    spec: EvaluationSpec, run: Path | None, data: Prepared, split: dict[str, NDArray], progress: Progress = iter
) -> Report:
    """Evaluate the run in a folder, or the raw pixels, on a data set's split.

    Raises DamagedError naming a file of the run that is not what it should be, and ValueError for a run on another data
    set than the spec's.
    """
    if run is not None and (own := PretrainSpec.read(str(run / "spec.json")).dataset) != spec.dataset:
        remedy = "`dhel-kcl transfer` evaluates a network on other data than its own"
        raise ValueError(f"{run} was trained on {own}, and the spec is for {spec.dataset}: {remedy}")
    report: dict[str, Any] = {}
    with arithmetic(spec.threads):
        embeddings = embed(spec, run, data, split, progress)
        for name, evaluator in EVALUATORS.items():
            report[name] = evaluator(embeddings)
    return Report(spec, split["test"].tolist(), data.labels[split["test"]].tolist(), **report)
