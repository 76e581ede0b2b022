"""Geometry of embeddings on the unit sphere: alignment, uniformity, rank, spectrum, similarities.

Every function takes arrays of shape (N, d), NumPy or CPU tensors, and computes in float64. Rows are
L2-normalised by `unit`, which each caller applies once. Values depend on N: report it beside them.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dhel_kcl.geometry import sphere

Array = NDArray[np.float64]

ROWS = 256
"""Rows of the similarity matrix computed at once."""
BLOCK = 1024
"""Pieces of F_N that `wasserstein_uniformity` first looks at together."""


def unit(z: ArrayLike) -> Array:
    """Rows of z, shape (N, d), scaled to length 1 in float64.

    Raises ValueError unless z is a finite 2-d array of at least one entry, without zero rows.
    """
    z = np.asarray(z, dtype=np.float64)
    if z.ndim != 2 or z.size == 0:
        raise ValueError(f"embeddings need the shape (N, d), N and d at least 1; got {z.shape}")
    if not np.isfinite(z).all():
        raise ValueError("embeddings contain NaN or infinite values")
    largest = np.abs(z).max(axis=1, keepdims=True)  # divided out first: its square may leave float64's range
    if (largest == 0).any():
        raise ValueError(f"embedding {int(np.argmin(largest))} is the zero vector, which has no direction")
    z = z / largest
    return z / np.linalg.norm(z, axis=1, keepdims=True)


def alignment(u: Array, v: Array) -> float:
    """mean_i ||u_i - v_i||^2 of two views, in [0, 4]; 0 is perfect (Wang & Isola 2020, alpha = 2).

    Raises ValueError for views of different shapes.
    """
    if u.shape != v.shape:
        raise ValueError(f"alignment needs two views of the same embeddings; got {u.shape} and {v.shape}")
    return float(np.square(u - v).sum(axis=1).mean())


def similarities(z: Array) -> Array:
    """z_i.z_j for i < j, shape (N (N-1) / 2,), clipped to [-1, 1].

    Raises ValueError for N < 2.
    """
    count = len(z)
    if count < 2:
        raise ValueError(f"pairwise similarities need at least 2 embeddings; got {count}")
    result = np.empty(count * (count - 1) // 2)
    filled = 0
    for first in range(0, count, ROWS):  # a matrix of all N^2 and its indices would take five times the memory
        block = z[first : first + ROWS] @ z[first:].T
        for row in range(len(block)):
            pairs = block[row, row + 1 :]
            result[filled : filled + len(pairs)] = pairs
            filled += len(pairs)
    return np.clip(result, -1, 1, out=result)


def uniformity(z: Array, t: float = 2.0) -> float:
    """log mean_{i<j} exp(-t ||z_i - z_j||^2); lower is more uniform, 0 is total collapse (Wang & Isola 2020)."""
    return float(np.log(np.mean(np.exp(-2 * t * (1 - similarities(z))))))


def wasserstein_uniformity(z: Array) -> float:
    """W1 distance between the law of z_i.z_j (i < j) and that of two independent uniform points of S^(d-1).

    Exact for the given points, any d >= 2, no sampling: the integral of |F_N(s) - F(s)| over [-1, 1]. 0 is uniform,
    1 is total collapse. It takes about 1.5 s and 0.4 GB for N = 5,000, growing with N^2; beyond that there is
    `wasserstein_uniformity_subsampled`. Raises ValueError for N < 2 or d < 2.

    Source: Koromilas et al. 2024 (the release compares with 10,000 unseeded samples for d = 128).
    """
    dim = z.shape[1]
    sorted_similarities = similarities(z)
    sorted_similarities.sort()
    count = len(sorted_similarities)
    knots = np.concatenate([[-1.0], sorted_similarities, [1.0]])  # F_N = k / count on [knots[k], knots[k+1])
    sums = np.cumsum(knots)

    def law_area(s: Array, cdf: Array) -> Array:
        """Integral of F from -1 to s."""
        return s * cdf - sphere.dot_product_partial_mean(s, dim)

    # Blocks of pieces [knots[k], knots[k+1]], k from start to stop - 1. As F and F_N both increase, their values at the
    # ends tell for most blocks that they do not cross inside; there the integral of F_N - F needs the ends alone.
    # The other blocks are halved.
    edges = np.append(np.arange(0, count + 1, BLOCK), count + 1)
    cdf = sphere.dot_product_cdf(knots[edges], dim)
    start, stop, cdf_start, cdf_stop = edges[:-1], edges[1:], cdf[:-1], cdf[1:]
    distance = 0.0
    while len(start):
        left, right = knots[start], knots[stop]
        area = law_area(right, cdf_stop) - law_area(left, cdf_start)
        no_crossing = (cdf_start >= (stop - 1) / count) | (cdf_stop <= start / count)
        empirical = ((stop - 1) * right - start * left - (sums[stop - 1] - sums[start])) / count
        distance += np.abs(empirical - area)[no_crossing].sum()

        inside = ~no_crossing & (stop - start == 1)
        level = start[inside] / count
        crossing = sphere.dot_product_quantile(level, dim)
        to_crossing = law_area(crossing, level) - law_area(left[inside], cdf_start[inside])
        below = level * (crossing - left[inside]) - to_crossing
        above = area[inside] - to_crossing - level * (right[inside] - crossing)
        distance += below.sum() + above.sum()

        halved = ~no_crossing & ~inside
        start, stop, cdf_start, cdf_stop = start[halved], stop[halved], cdf_start[halved], cdf_stop[halved]
        middle = (start + stop) // 2
        cdf_middle = sphere.dot_product_cdf(knots[middle], dim)
        start, stop = np.concatenate([start, middle]), np.concatenate([middle, stop])
        cdf_start, cdf_stop = np.concatenate([cdf_start, cdf_middle]), np.concatenate([cdf_middle, cdf_stop])
    return float(distance)


def wasserstein_uniformity_subsampled(z: Array, points: int, repeats: int, seed: int) -> tuple[float, float]:
    """Mean and standard error of `wasserstein_uniformity` over `repeats` random subsets of `points` rows of z.

    Estimates what `points` embeddings have on average, which is never below the value of all N: W1 is convex in F_N,
    and subsets average to it. Near uniformity the excess dominates, as uniform points in 128 dimensions have about
    0.16 / N. So compare estimates of equal `points` alone. The standard error is that of the choice of subsets,
    given z. Raises ValueError unless 2 <= points <= N and repeats >= 2.
    """
    if not (2 <= points <= len(z) and repeats >= 2):
        raise ValueError(f"needs 2 to {len(z)} points and at least 2 repeats; got {points} and {repeats}")
    generator = np.random.default_rng(seed)
    subsets = (generator.choice(len(z), points, replace=False) for _ in range(repeats))
    values = [wasserstein_uniformity(z[rows]) for rows in subsets]
    return float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(repeats))


def singular_values(z: Array, centred: bool = False) -> Array:
    """Singular values of z, shape (min(N, d),), largest first.

    Centred ones no larger than the rounding error of the mean are 0: equal points have no spread.
    """
    sigma = np.asarray(np.linalg.svd(z - z.mean(axis=0) if centred else z, compute_uv=False), dtype=np.float64)
    if centred:
        sigma[sigma <= np.finfo(np.float64).eps * max(z.shape) * np.linalg.norm(z)] = 0
    return sigma


def effective_rank(z: Array, centred: bool = False) -> float:
    """exp(entropy of the singular values divided by their sum), in [1, min(N, d)]; 0 if all are zero.

    Source: Roy & Vetterli 2007; uncentred, as in RankMe (Garrido et al. 2023) and the DHEL-KCL release.
    """
    sigma = singular_values(z, centred)
    if sigma.sum() == 0:
        return 0.0
    share = sigma / sigma.sum()
    share = share[share > 0]
    return float(np.exp(-(share * np.log(share)).sum()))


def covariance_rank(z: Array, rtol: float = 1e-5, atol: float = 0.0) -> int:
    """Number of eigenvalues of the covariance above max(atol, rtol * the largest).

    `rtol=0, atol=1e-5` is the DHEL-KCL release's absolute convention. The rank of equal points is 0.
    """
    eigenvalues = singular_values(z, centred=True) ** 2 / len(z)
    return int((eigenvalues > max(atol, rtol * eigenvalues[0])).sum())


def similarity_histogram(z: Array, bins: int = 100) -> tuple[Array, Array]:
    """Density of z_i.z_j (i < j) over `bins` equal bins of [-1, 1]: edges (bins + 1,), density (bins,)."""
    density, edges = np.histogram(similarities(z), bins=bins, range=(-1, 1), density=True)
    return edges, density
