"""Evaluator: where the test images' embeddings lie on the unit sphere.

Measured on the L2-normalised test embeddings z and h; alignment on two augmented views of the test images.
"""

from dataclasses import dataclass

from torch import Tensor

from dhel_kcl.evaluation.embed import Embeddings
from dhel_kcl.geometry import metrics


@dataclass(frozen=True)
class Geometry:
    """Every metric of `dhel_kcl.geometry.metrics`, of this number of embeddings in this dimension."""

    embeddings: int
    dim: int
    alignment: float
    uniformity: float
    wasserstein_uniformity: float
    effective_rank: float
    effective_rank_centred: float
    covariance_rank: int


def evaluate(embeddings: Embeddings) -> dict[str, Geometry]:
    """Geometry of each space."""
    first, second = embeddings.test_views
    return {
        space: geometry(z.cpu(), (first[space].cpu(), second[space].cpu()))
        for space, z in embeddings.spaces["test"].items()
    }


def geometry(z: Tensor, views: tuple[Tensor, Tensor]) -> Geometry:
    """Of embeddings z (N, d) and, for alignment, of two views of them."""
    points = metrics.unit(z)
    return Geometry(
        embeddings=len(points),
        dim=points.shape[1],
        alignment=metrics.alignment(*(metrics.unit(view) for view in views)),
        uniformity=metrics.uniformity(points),
        wasserstein_uniformity=metrics.wasserstein_uniformity(points),
        effective_rank=metrics.effective_rank(points),
        effective_rank_centred=metrics.effective_rank(points, centred=True),
        covariance_rank=metrics.covariance_rank(points),
    )
