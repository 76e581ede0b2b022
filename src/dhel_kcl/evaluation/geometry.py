"""Evaluator: where the test images' embeddings lie on the unit sphere.

Measured on the L2-normalised test embeddings z and h; alignment on two augmented views of the test images, the
variance of negative similarities on two of training images.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dhel_kcl.evaluation.embed import Embeddings
from dhel_kcl.geometry import metrics


@dataclass(frozen=True)
class Geometry:
    """Every metric of `dhel_kcl.geometry.metrics`, of this number of embeddings in this dimension.

    negative_variance: of z alone, and None where the spec asks for no training pairs.
    """

    embeddings: int
    dim: int
    alignment: float
    uniformity: float
    wasserstein_uniformity: float
    effective_rank: float
    effective_rank_centred: float
    covariance_rank: int
    negative_variance: float | None = None


def evaluate(embeddings: Embeddings) -> dict[str, Geometry]:
    """Geometry of each space."""
    first, second = embeddings.test_views
    found = {
        space: geometry(z.cpu(), (first[space].cpu(), second[space].cpu()))
        for space, z in embeddings.spaces["test"].items()
    }
    if "z" in found and embeddings.spec.training_pairs:
        found["z"] = replace(found["z"], negative_variance=negative_variance(embeddings))
    return found


def negative_variance(embeddings: Embeddings) -> float:
    """Variance of z_i.z'_j, i != j, over `training_pairs` training images, z one augmented view and z' the other.

    As Lee et al. 2025 measure it for their Table 1: 5,000 positive pairs of training images under the training's
    augmentation, outputs of the projector, negatives across the views. All runs of a data set are measured on the same
    images and views, with the encoder in eval mode.
    """
    spec, source = embeddings.spec, embeddings.images["train"]
    generator = torch.Generator().manual_seed(spec.view_seed)
    rows = torch.randperm(len(source), generator=generator)[: spec.training_pairs].sort().values
    first, second = embeddings.network.embed_views(source, rows, spec.augment, spec.view_seed)
    return metrics.negative_variance(metrics.unit(first["z"].cpu()), metrics.unit(second["z"].cpu()))


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
