"""Evaluator: how the test images' embeddings share the dimensions."""

from dhel_kcl.evaluation.embed import Embeddings
from dhel_kcl.geometry import metrics


def evaluate(embeddings: Embeddings) -> dict[str, metrics.Array]:
    """Singular values (min(N, d),) of each space's L2-normalised test embeddings, as shares of the largest."""
    spectra = {}
    for space, z in embeddings.spaces["test"].items():
        sigma = metrics.singular_values(metrics.unit(z.cpu()))
        spectra[space] = sigma / sigma[0]
    return spectra
