"""Has an encoder collapsed? Every metric of two views at once, beside what uniform and collapsed points have."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from dhel_kcl.geometry import metrics, sphere
from dhel_kcl.geometry.metrics import Array

ROWS = (
    ("uniformity", "uniformity", ".3f"),
    ("wasserstein_uniformity", "Wasserstein uniformity", ".4f"),
    ("effective_rank", "effective rank", ".1f"),
    ("effective_rank_centred", "effective rank, centred", ".1f"),
    ("covariance_rank", "covariance rank", "d"),
)
"""Metrics of one view: attribute, words in the printed table, format."""


@dataclass(frozen=True)
class Spread:
    """How one view's points lie on the sphere: the metrics of `dhel_kcl.geometry.metrics`, and what `plot` draws."""

    uniformity: float
    wasserstein_uniformity: float
    effective_rank: float
    effective_rank_centred: float
    covariance_rank: int
    spectrum: Array
    """Singular values divided by their sum, largest first, shape (min(N, d),)."""
    edges: Array
    """Edges of the histogram's bins, from -1 to 1."""
    density: Array
    """Density of the similarities z_i.z_j, i < j, in each bin."""


@dataclass(frozen=True)
class Report:
    """Geometry of two views' embeddings. `print` shows it as a table, `plot` as a figure."""

    embeddings: int
    """Instances N that all values are of; they depend on it."""
    given: int
    """Instances that were passed in; of more than `points` a random choice is measured."""
    dim: int
    alignment: float
    z0: Spread
    z1: Spread
    uniform: Spread
    """Of N independent uniform points of the same sphere: the ideal, as far as N points can show it."""

    def __str__(self) -> str:
        chosen = "" if self.given == self.embeddings else f" (chosen from {self.given:,})"
        rows: list[tuple[str, ...]] = [
            (f"{self.embeddings:,} embeddings{chosen}, d = {self.dim}", "z0", "z1", "uniform", "collapsed")
        ]
        rows.append(("alignment (0: views agree)", f"{self.alignment:.3f}", "", "2.000", "0.000"))
        for name, words, form in ROWS:
            spreads = (self.z0, self.z1, self.uniform, COLLAPSED)
            rows.append((words, *(format(getattr(spread, name), form) for spread in spreads)))
        width = max(len(row[0]) for row in rows)
        return "\n".join(f"{row[0]:<{width}}" + "".join(f"{cell:>11}" for cell in row[1:]) for row in rows)

    def plot(self) -> Any:
        """Figure of the spectra and of the similarities against the law of uniform points, a matplotlib Figure.

        It belongs to no window: `report(z0, z1).plot().savefig("collapse.png")`.

        Raises ImportError where matplotlib is not installed; nothing else here needs it.
        """
        try:
            from matplotlib.figure import Figure
        except ImportError as error:
            raise ImportError(
                "plot() needs matplotlib: pip install 'dhel-kcl[pipeline]', or matplotlib alone"
            ) from error
        figure = Figure(figsize=(7, 3), layout="constrained")
        spectra, similarities = figure.subplots(1, 2)
        for name, spread, look in (
            ("z0", self.z0, "C0-"),
            ("z1", self.z1, "C1--"),
            ("uniform points", self.uniform, "k:"),
        ):
            # What is below is rounding, and would stretch the axis over it.
            shares = np.where(spread.spectrum > 1e-6, spread.spectrum, np.nan)
            label = f"{name}, rank {spread.effective_rank:.1f}"
            spectra.plot(np.arange(1, len(shares) + 1), shares, look, label=label)
        similarities.stairs(self.z0.density, self.z0.edges, color="C0")
        similarities.stairs(self.z1.density, self.z1.edges, color="C1", linestyle="--")
        s = np.linspace(-1, 1, 401)[1:-1]
        similarities.plot(s, sphere.dot_product_pdf(s, self.dim), "k:")
        spectra.set(xlabel="number of the singular value", ylabel="share of their sum", yscale="log")
        similarities.set(xlabel="similarity of two instances", ylabel="density")
        figure.legend(loc="outside lower center", ncols=3, frameon=False)
        return figure


def report(z0: Any, z1: Any, points: int = 2000, seed: int = 0) -> Report:
    """All metrics of two views' embeddings, with those of uniform points and of total collapse to compare with.

        >>> import torch
        >>> z = torch.randn(200, 2) @ torch.randn(2, 16, generator=torch.Generator().manual_seed(0))
        >>> round(report(z, z + 0.01).z0.effective_rank) # of 16
        2

    For a second encoder in place of a second view (two towers) it is the same; without one, pass z0 twice.

    Args:
        z0, z1: embeddings, shape (N, d), N and d at least 2: tensors of any floating type and device, with or without
            grad, or whatever NumPy takes for an array. Need not be normalised.
        points: of more than these instances a random choice is measured. Time grows with N^2: a second for 2,000.
        seed: of that choice and of the uniform points.

    Raises:
        ValueError: unequal shapes, N < 2 or d < 2, points < 2, NaN, infinite entries, a zero row.
    """
    u, v = _points(z0, "z0"), _points(z1, "z1")
    if u.shape != v.shape:
        raise ValueError(f"z0 and z1 need one shape (N, d); got {u.shape} and {v.shape}")
    given, dim = u.shape
    if min(given, dim, points) < 2:
        raise ValueError(f"needs at least 2 embeddings, dimensions and points; got {given}, {dim} and {points}")
    if given > points:
        rows = np.sort(np.random.default_rng(seed).choice(given, points, replace=False))
        u, v = u[rows], v[rows]
    ideal = sphere.uniform(len(u), dim, seed)
    return Report(len(u), given, dim, metrics.alignment(u, v), spread(u), spread(v), spread(ideal))


def spread(z: Array) -> Spread:
    """Of unit vectors z, shape (N, d)."""
    sigma = metrics.singular_values(z)
    edges, density = metrics.similarity_histogram(z)
    return Spread(
        uniformity=metrics.uniformity(z),
        wasserstein_uniformity=metrics.wasserstein_uniformity(z),
        effective_rank=metrics.effective_rank(z),
        effective_rank_centred=metrics.effective_rank(z, centred=True),
        covariance_rank=metrics.covariance_rank(z),
        spectrum=sigma / sigma.sum(),
        edges=edges,
        density=density,
    )


COLLAPSED = Spread(0.0, 1.0, 1.0, 0.0, 0, np.ones(1), np.array([-1.0, 1.0]), np.full(1, 0.5))
"""Of points that are all the same."""


def _points(z: Any, name: str) -> Array:
    """Unit vectors in float64. A tensor is known by its `detach`: this package does without torch."""
    try:
        # First to the CPU: not every device has float64, and NumPy has no bfloat16.
        return metrics.unit(z.detach().cpu().double().numpy() if hasattr(z, "detach") else z)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
