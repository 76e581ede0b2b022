"""Descent on the sphere from many starts at once, and the losses of a stack of batches that it needs.

The losses of `experiment.LOSS_OF` again, for a stack of batches in one call: from one batch at a time, nearly all of
the time would go into calls. Tests hold their values and gradients to those losses, and what an experiment reports of
the points where a descent ends is computed by those.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from dhel_kcl.kernels.base import Kernel
from dhel_kcl.losses.base import softplus
from dhel_kcl.losses.kcl import KCLLoss
from dhel_kcl.theory.experiment import LOSS_OF, TEMPERATURE

MEMORY = 5
"""Pairs of steps and changes of the gradient that L-BFGS keeps."""
STATIONARY = 1e-10
"""Largest entry of the gradient at which a descent ends."""
ROUNDING = 1e-15
"""Relative changes of a value below this are none."""
IDLE = 8
"""Steps without any change after which a descent ends."""


def losses(method: str, points: Tensor, kernel: Kernel | None = None) -> Tensor:
    """Loss of each batch in a stack of unit vectors, shape (S, 2, M, d), both views; returns shape (S,).

    `kernel` takes the place of the method's own.
    """
    u, v = points.unbind(1)
    loss = LOSS_OF[method]
    if isinstance(loss, KCLLoss):
        kernel = kernel or loss.kernel
        aligned = kernel.alignment((u - v).square().sum(dim=-1)).mean(dim=-1)
        distances = (2 - 2 * points @ points.mT).clamp(min=0)
        pairs = without_diagonal(kernel.energy(distances)).mean(dim=-1) / (points.shape[2] - 1)
        return -2 * aligned + loss.gamma * pairs.sum(dim=-1)
    positive = (u * v).sum(dim=-1, keepdim=True).mT / TEMPERATURE
    if method.startswith("dhel"):
        own = points[:, :1] if method == "dhel-anchor" else points
        energy = without_diagonal(exponentials(own, own)).log().mean(dim=-1)
        return energy.mean(dim=-1) * (2 if method == "dhel" else 1) - positive.mean(dim=(1, 2))
    cross = exponentials(u, v)
    sums = torch.stack([without_diagonal(cross), without_diagonal(cross.mT)], dim=1)
    if method != "infonce":
        sums = sums + without_diagonal(exponentials(points, points))
    if method == "dcl":
        return (sums.log() - positive).mean(dim=(1, 2))
    return softplus(sums.log() - positive).mean(dim=(1, 2))


def exponentials(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.mT / TEMPERATURE).exp()


def without_diagonal(matrices: Tensor) -> Tensor:
    """Sum of each row of square matrices but for its entry on the diagonal."""
    return matrices.sum(dim=-1) - matrices.diagonal(dim1=-2, dim2=-1)


@dataclass(frozen=True)
class Descents:
    """Where the descents from S starts ended: values (S,), points of the starts' shape and evaluations (S,)."""

    values: Tensor
    points: Tensor
    evaluations: Tensor


def descend(objective: Callable[[Tensor], Tensor], starts: Tensor, steps: int = 2000) -> Descents:
    """Local minima over unit vectors by L-BFGS in float64, each start for itself.

    A step goes along the L-BFGS direction and back to the sphere, with backtracking until the value falls.

    Args:
        objective: values (S,) of a stack (S, ..., d) of unit vectors, each of its own part of the stack alone.
        starts: shape (S, ..., d), unit vectors.
        steps: most steps.
    """

    def evaluate(x: Tensor) -> tuple[Tensor, Tensor]:
        """Values, and gradients along the sphere: the objective of x / |x| at |x| = 1."""
        raw = x.detach().requires_grad_()
        found = objective(unit(raw))
        (slope,) = torch.autograd.grad(found.sum(), raw)
        return found.detach(), slope

    def dot(x: Tensor, y: Tensor) -> Tensor:
        return (x * y).flatten(1).sum(dim=1)

    def times(numbers: Tensor, x: Tensor) -> Tensor:
        return numbers.view(-1, *(1,) * (x.ndim - 1)) * x

    x = starts
    value, gradient = evaluate(x)
    evaluations = torch.ones(len(x), dtype=torch.int64)
    idle = torch.zeros_like(evaluations)
    scale = 1 / dot(gradient, gradient).sqrt().clamp(min=1)
    memory: list[tuple[Tensor, Tensor, Tensor]] = []
    for _ in range(steps):
        active = (gradient.abs().flatten(1).amax(dim=1) > STATIONARY) & (idle < IDLE)
        if not active.any():
            break
        direction, shares = -gradient, []
        for step, change, weight in reversed(memory):
            shares.append(weight * dot(step, direction))
            direction = direction - times(shares[-1], change)
        direction = times(scale, direction)
        for step, change, weight in memory:
            direction = direction + times(shares.pop() - weight * dot(change, direction), step)
        slope = dot(gradient, direction)
        new_x, new_value, new_gradient = x.clone(), value.clone(), gradient.clone()
        size, todo = torch.ones_like(value), active.nonzero()[:, 0]
        for _ in range(20):
            tried = unit(x[todo] + times(size[todo], direction[todo]))
            tried_value, tried_gradient = evaluate(tried)
            evaluations[todo] += 1
            allowed = 1e-4 * size[todo] * slope[todo] + ROUNDING * value[todo].abs().clamp(min=1)
            lower = tried_value <= value[todo] + allowed
            done = todo[lower]
            new_x[done], new_value[done], new_gradient[done] = tried[lower], tried_value[lower], tried_gradient[lower]
            excess = tried_value[~lower] - value[todo[~lower]]
            todo = todo[~lower]
            if len(todo) == 0:
                break
            # Least of the parabola through both values and the slope.
            parabola = -slope[todo] * size[todo] / (2 * (excess - slope[todo] * size[todo]))
            size[todo] = size[todo] * parabola.clamp(0.1, 0.5)
        idle[todo] = IDLE
        idle = torch.where(new_value < value - ROUNDING * value.abs().clamp(min=1), 0, idle + 1)
        step, change = new_x - x, new_gradient - gradient
        curvature, square = dot(step, change), dot(change, change)
        convex = curvature > 1e-12 * (square * dot(step, step)).sqrt()
        memory = [*memory[1 - MEMORY :], (step, change, torch.where(convex, 1 / curvature, 0.0))]
        scale = torch.where(convex, curvature / square, scale)
        x, value, gradient = new_x, new_value, new_gradient
    return Descents(value, x, evaluations)


def unit(points: Tensor) -> Tensor:
    return points / points.norm(dim=-1, keepdim=True)
