"""Evaluator: how similar two test images' embeddings are."""

from dataclasses import dataclass

from dhel_kcl.evaluation.embed import Embeddings
from dhel_kcl.geometry import metrics


@dataclass(frozen=True, eq=False)
class Histogram:
    """Lower edges (bins,) of equal bins of [-1, 1], and the density (bins,) in each."""

    edges: metrics.Array
    density: metrics.Array


def evaluate(embeddings: Embeddings) -> dict[str, Histogram]:
    """Cosines of all pairs of test images, in each space."""
    histograms = {}
    for space, z in embeddings.spaces["test"].items():
        edges, density = metrics.similarity_histogram(metrics.unit(z.cpu()), embeddings.spec.histogram_bins)
        histograms[space] = Histogram(edges[:-1], density)
    return histograms
