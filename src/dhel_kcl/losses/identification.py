"""Which loss does a callable compute? Its values on seeded embeddings, fitted by every loss of this package."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize, softplus

from dhel_kcl.registry import resolve

CALLS: dict[str, Callable[[Tensor, Tensor], tuple[Tensor, ...]]] = {
    "f(z0, z1)": lambda z0, z1: (z0, z1),
    "f(cat([z0, z1]))": lambda z0, z1: (torch.cat([z0, z1]),),
    "f(stack([z0, z1], dim=1))": lambda z0, z1: (torch.stack([z0, z1], dim=1),),
}
"""How losses want two views of shape (M, d) each."""
SIDES = ("", ", anchors of z0 alone", ", anchors of z1 alone")
KERNELS: dict[str, tuple[str, str, dict[str, bool]]] = {
    "gaussian": ("gaussian", "t", {}),
    "log": ("log", "t", {}),
    "log, released alignment": ("log", "t", {"released_alignment": True}),
    "imq": ("imq", "c", {}),
    "riesz": ("riesz", "q", {}),
    "gaussian_riesz": ("gaussian_riesz", "s", {}),
}
"""What KCL is called with each: the kernel, its parameter, its options."""
RANGES = {"τ": (0.01, 10.0), "t": (0.05, 20.0), "c": (0.1, 20.0), "q": (0.1, 1.99), "s": (0.1, 8.0)}
"""Where a temperature or a kernel's parameter is looked for."""
DRAWS, DIM, GRID = 20, 8, 80
"""Pairs of views of each batch size, their dimension, and how many values of a parameter are tried first."""
SAME = 1e-4
"""Largest deviation of a loss that is the same, as a share of the values' range."""
PROMISING = 0.1
"""Largest deviation, between values of the grid, of a loss that may be the same."""

Terms = dict[str, tuple[Tensor, ...]]
"""Values of losses by name, shape (DRAWS,) each: a loss as one, or alignment and energy, whose weight is free."""


@dataclass(frozen=True)
class Identified:
    """The nearest loss: `times` * (alignment + `weight` * energy) + `plus`, of the mean or the sum over the anchors."""

    name: str
    parameter: str
    value: float
    weight: float
    """w of a log-sum-exp loss, γ of KCL."""
    summed: bool
    times: float
    plus: float
    deviation: float
    """The largest, as a share of the range of the callable's values."""
    call: str = ""
    inputs: str = ""

    @property
    def same(self) -> bool:
        return self.deviation <= SAME

    @property
    def strangeness(self) -> tuple[float, ...]:
        """What orders candidates: several are the same where a weight or a factor makes up for another form."""
        if not self.same:
            return 1, self.deviation
        return 0, self.parameter == "τ" and self.weight != 1, round(abs(math.log(abs(self.times))), 3)

    def __str__(self) -> str:
        words = [self.name, f"{self.parameter} = {self.value:.4g}"]
        if self.parameter != "τ":
            words.append(f"γ = {self.weight:.4g}")
        elif self.weight != 1:
            words.append(f"energy weight {self.weight:.4g}")
        words += ["summed over the anchors"] * self.summed
        words += [f"times {_number(self.times)}", f"plus {_number(self.plus)}"]
        if self.same:
            return ", ".join(words)
        return f"none of these; nearest {', '.join(words)}, largest deviation {self.deviation:.2%} of the values' range"


def identify(loss: Callable[..., Any], batch_sizes: Sequence[int] = (6, 10)) -> Identified:
    """The loss of this package that a callable computes, or the nearest one.

    Looked for are InfoNCE, SimCLR, DCL and DHEL (every form, and with the anchors of one view alone) and KCL with every
    kernel, at any τ or kernel parameter in `RANGES`, energy weight (of DCL, DHEL, KCL) and affine factor; as mean or
    sum over the anchors, which takes two batch sizes to tell apart; of raw embeddings or of unit vectors.

        >>> from torch.nn.functional import cross_entropy, normalize
        >>> def loss(z0, z1):
        ...     return cross_entropy(normalize(z0) @ normalize(z1).T / 0.07, torch.arange(len(z0)))
        >>> print(identify(loss))
        InfoNCE, anchors of z0 alone, τ = 0.07, times 1.00, plus 0.00

    Raises ValueError for a callable that gives no finite number in any way of calling it, or always the same one.
    """
    raw = [_views(size) for size in batch_sizes]
    unit = [normalize(z, dim=-1) for z in raw]
    found, refused = [], []
    for inputs, views in (("raw embeddings", raw), ("unit vectors", unit)):
        for call in CALLS:
            try:
                values = [_values(loss, call, z) for z in views]
            except Exception as error:  # whatever the code of others raises
                refused.append(f"{call}: {type(error).__name__}: {' '.join(str(error).split())[:200]}")
                continue
            found.append(replace(_nearest(values, unit), call=call, inputs=inputs))
            if found[-1].same:
                return found[-1]
    if not found:
        tried = "\n  ".join(dict.fromkeys(refused))
        raise ValueError(f"the callable makes no loss of embeddings of shape (M, d) in any of these ways:\n  {tried}")
    return min(found, key=lambda one: one.deviation)


def _views(size: int) -> Tensor:
    """Raw embeddings, shape (2, DRAWS, size, DIM): from well spread to nearly collapsed, from aligned to unrelated."""
    generator = torch.Generator().manual_seed(size)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    level = torch.linspace(0, 2, DRAWS, dtype=torch.float64)[:, None, None]
    z0 = normal(DRAWS, size, DIM) + level * normal(DRAWS, 1, DIM)
    z1 = z0 + (0.1 + level[torch.arange(DRAWS) * 7 % DRAWS]) * normal(DRAWS, size, DIM)
    return torch.stack([z0, z1]) * (1 + normal(2, DRAWS, size, 1).abs())


def _values(loss: Callable[..., Any], call: str, z: Tensor) -> Tensor:
    """The callable's values, shape (DRAWS,), from float32 where it takes no float64."""
    try:
        values = torch.stack([_scalar(loss(*CALLS[call](z0, z1))) for z0, z1 in zip(*z, strict=True)])
    except RuntimeError:
        values = torch.stack([_scalar(loss(*CALLS[call](z0, z1))) for z0, z1 in zip(*z.float(), strict=True)])
    if values.max() == values.min():
        raise ValueError(f"returns {values[0].item():g} whatever the embeddings are")
    return values


def _scalar(value: Any) -> Tensor:
    if not isinstance(value, Tensor | float | int | np.number):
        raise ValueError(f"returns a {type(value).__name__}, not a scalar")
    result = torch.as_tensor(value).detach().cpu().double()
    if result.numel() != 1:
        raise ValueError(f"returns a tensor of shape {tuple(result.shape)}, not a scalar")
    if not torch.isfinite(result).all():
        raise ValueError(f"returns {result.item()}")
    return result.reshape(())


def _nearest(values: list[Tensor], views: list[Tensor]) -> Identified:
    """values: (DRAWS,) of each batch size; views: its unit vectors."""
    target = torch.cat(values)
    counts = [z.shape[2] for z in views]
    targets = [target, torch.cat([value / count for value, count in zip(values, counts, strict=True)])]
    found: list[Identified] = []
    for parameter, family in FAMILIES.items():
        terms = cache(partial(_terms, family, views))
        fits = [
            partial(_fit, targets[summed], terms, parameter, name, bool(free), bool(summed))
            for name, parts in terms(1.0).items()
            for free in range(len(parts))
            for summed in range(min(len(set(counts)), 2))
        ]
        found += [_search(fit, RANGES[parameter]) for fit in fits]
        if any(one.same for one in found):  # no KCL is a log-sum-exp loss, nor KCL with another kernel
            break
    return min(found, key=lambda one: one.strangeness)


def _search(fit: Callable[[float], Identified], limits: tuple[float, float]) -> Identified:
    """The parameter of the smallest deviation: the best of a grid, refined between its neighbours."""
    from scipy.optimize import minimize_scalar

    grid = np.geomspace(*limits, GRID)
    tried = [fit(value) for value in grid]
    best = min(range(GRID), key=lambda index: tried[index].deviation)
    if tried[best].deviation > PROMISING:
        return tried[best]
    bounds = np.log(grid[[max(best - 1, 0), min(best + 1, GRID - 1)]])
    refined = minimize_scalar(
        lambda x: fit(math.exp(x)).deviation, bounds=bounds, method="bounded", options={"xatol": 1e-8}
    )
    return fit(math.exp(refined.x))


def _fit(
    target: Tensor, terms: Callable[[float], Terms], parameter: str, name: str, free: bool, summed: bool, value: float
) -> Identified:
    """Least squares of the target by a loss at one parameter and a constant."""
    parts = terms(value)[name]
    columns = torch.stack([*(parts if free else [sum(parts)]), torch.ones_like(target)], dim=1).numpy()
    factors = np.linalg.lstsq(columns, target.numpy(), rcond=None)[0]
    span, times, plus = np.ptp(target.numpy()), float(factors[0]), float(factors[-1])
    if abs(plus) <= SAME * span:
        plus = 0.0  # rounding, of a callable in float32
    weight = float(factors[1] / factors[0]) if free else 1.0
    deviation = np.abs(columns @ factors - target.numpy()).max() / span
    # An energy without alignment, or one that attracts, is none of the losses, however it fits.
    sound = times != 0 and 1e-3 < weight < 1e5
    return Identified(name, parameter, value, weight, summed, times, plus, float(deviation) if sound else math.inf)


def _terms(family: Callable[[Tensor, float], Terms], views: list[Tensor], value: float) -> Terms:
    """Terms of all batch sizes one after the other."""
    sizes = [family(z, value) for z in views]
    return {
        name: tuple(torch.cat(parts) for parts in zip(*(size[name] for size in sizes), strict=True))
        for name in sizes[0]
    }


def _log_sum_exp(z: Tensor, temperature: float) -> Terms:
    """Those of InfoNCE, SimCLR, DCL and DHEL, written out once more: with the anchors of one view alone, too."""
    u, v = z
    positive = (u * v).sum(dim=-1) / temperature
    diagonal = torch.eye(u.shape[1], dtype=torch.bool)

    def log_sums(a: Tensor, b: Tensor) -> Tensor:
        return (a @ b.mT / temperature).masked_fill(diagonal, -math.inf).logsumexp(dim=-1)

    within, across = torch.stack([log_sums(u, u), log_sums(v, v)]), torch.stack([log_sums(u, v), log_sums(v, u)])
    both, alignment = torch.logaddexp(within, across), -positive.mean(dim=-1)
    losses = {
        "InfoNCE": ((), softplus(across - positive)),
        "SimCLR": ((), softplus(both - positive)),
        "DCL": ((alignment,), both),
    }
    terms = {
        name + side: (*first, part)
        for name, (first, last) in losses.items()
        for side, part in zip(SIDES, _sides(last), strict=True)
    }
    mean, of_u, of_v = _sides(within)
    forms = {"sum": of_u + of_v, "mean": mean, "anchor": of_u, "anchor of (z1, z0)": of_v}
    return terms | {f"DHEL, {form}": (alignment, energy) for form, energy in forms.items()}


def _sides(of_anchors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Means over both views' anchors and over each one's, shape (DRAWS,), of (2, DRAWS, M)."""
    first, second = of_anchors.mean(dim=-1)
    return (first + second) / 2, first, second


def _kernels(parameter: str, z: Tensor, value: float) -> Terms:
    """Those of KCL, whose energy weight γ is always free, with each kernel of this parameter."""
    diagonal = torch.eye(z.shape[2], dtype=torch.bool)
    aligned = (z[0] - z[1]).square().sum(dim=-1)
    distances = (2 - 2 * z @ z.mT).clamp(min=0).masked_fill(diagonal, 1.0)
    terms: Terms = {}
    for words, (name, its_parameter, options) in KERNELS.items():
        if its_parameter == parameter:
            kernel = resolve("kernel", name)(**{parameter: value}, **options)
            energies = kernel.energy(distances).masked_fill(diagonal, 0.0).sum(dim=-1) / (z.shape[2] - 1)
            alignment = -2 * kernel.alignment(aligned).mean(dim=-1)
            terms |= {
                f"KCL, {words}{side}": (alignment, 2 * e) for side, e in zip(SIDES, _sides(energies), strict=True)
            }
    return terms


def _number(value: float) -> str:
    """With two decimals, unless they would hide it."""
    return f"{value:.3g}" if 0 < abs(value) < 0.1 else f"{value:.2f}"


FAMILIES = {"τ": _log_sum_exp} | {parameter: partial(_kernels, parameter) for parameter in ("t", "c", "q", "s")}
"""What gives the terms of all losses that share a parameter, on unit vectors (2, DRAWS, M, d) at a value of it."""
