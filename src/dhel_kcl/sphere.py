"""The unit sphere S^(d-1) of R^d: optimal point sets, and the law of a dot product of uniform points.

Everything is NumPy float64. SciPy is imported where it is used: it would add half a second to every job.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def simplex(count: int, dim: int) -> Array:
    """Vertices of a regular simplex, shape (count, dim), all dot products -1/(count-1).

    Raises ValueError unless 2 <= count <= dim + 1.
    """
    if not 2 <= count <= dim + 1:
        raise ValueError(f"a regular simplex on S^{dim - 1} has 2 to {dim + 1} points; asked for {count}")
    centred = np.eye(count) - 1 / count
    basis = np.linalg.svd(centred)[0][:, : count - 1]
    points = np.zeros((count, dim))
    points[:, : count - 1] = basis / np.linalg.norm(basis, axis=1, keepdims=True)
    return points


def cross_polytope(dim: int) -> Array:
    """The 2 dim points +-e_k, shape (2 dim, dim)."""
    return np.concatenate([np.eye(dim), -np.eye(dim)])


def uniform(count: int, dim: int, seed: int) -> Array:
    """Independent uniform points of S^(dim-1), shape (count, dim)."""
    points = np.random.default_rng(seed).standard_normal((count, dim))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def optimal_cosines(count: int, dim: int) -> tuple[Array, Array] | None:
    """Dot products of a point with the others in the least-energy set of `count` points, and how often each occurs.

    The simplex for count <= dim + 1, where it is optimal for every loss here (Jensen); the cross-polytope for
    count = 2 dim, where that is proved for kernels completely monotone in r^2 (Cohn & Kumar 2007) and only
    observed numerically for the log-sum-exp losses. None otherwise.
    """
    if 2 <= count <= dim + 1:
        return np.array([-1 / (count - 1)]), np.array([count - 1.0])
    if count == 2 * dim:
        return np.array([0.0, -1.0]), np.array([count - 2.0, 1.0])
    return None


def optimal_log_energy(count: int, dim: int, temperature: float) -> float | None:
    """log S, S = sum_{j!=i} exp(z_i.z_j / tau) on the set of `optimal_cosines`; None where that is None."""
    optimum = optimal_cosines(count, dim)
    if optimum is None:
        return None
    cosines, counts = optimum
    exponents = cosines / temperature
    return float(exponents.max() + math.log(np.sum(counts * np.exp(exponents - exponents.max()))))


def dot_product_pdf(s: ArrayLike, dim: int) -> Array:
    """Density at s of the dot product of two independent uniform points of S^(dim-1), dim >= 2.

    Proportional to (1 - s^2)^((dim-3)/2) on [-1, 1]: (s + 1)/2 follows Beta(a, a), a = (dim-1)/2.
    """
    from scipy.stats import beta

    a = _beta_parameter(dim)
    return beta.pdf(np.asarray(s, dtype=float), a, a, loc=-1, scale=2)


def dot_product_cdf(s: ArrayLike, dim: int) -> Array:
    """Distribution function of the law of `dot_product_pdf`."""
    from scipy.special import betainc

    a = _beta_parameter(dim)
    return betainc(a, a, (np.clip(np.asarray(s, dtype=float), -1, 1) + 1) / 2)


def dot_product_quantile(p: ArrayLike, dim: int) -> Array:
    """Quantile function of the law of `dot_product_pdf`, p in [0, 1]."""
    from scipy.special import betaincinv

    a = _beta_parameter(dim)
    return 2 * betaincinv(a, a, np.asarray(p, dtype=float)) - 1


def dot_product_partial_mean(s: ArrayLike, dim: int) -> Array:
    """Integral of t pdf(t) over t in [-1, s]: -c (1 - s^2)^a / (2 a), with a = (dim-1)/2 and
    c = Gamma(dim/2) / (sqrt(pi) Gamma(a))."""
    from scipy.special import gammaln

    a = _beta_parameter(dim)
    log_c = gammaln(dim / 2) - gammaln(a) - 0.5 * math.log(math.pi)
    s = np.asarray(s, dtype=float)
    return -np.exp(log_c) * np.clip(1 - s * s, 0, None) ** a / (dim - 1)


def _beta_parameter(dim: int) -> float:
    if dim < 2:
        raise ValueError(f"the dot-product law needs a sphere in at least 2 dimensions; got {dim}")
    return (dim - 1) / 2
