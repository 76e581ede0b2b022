"""Descent on the sphere from many starts at once, and the losses of a stack of batches that it needs.

The losses of this package again, for a stack of batches in one call: from one batch at a time, nearly all of the time
would go into calls. Tests hold their values and gradients to the package's, and what an experiment reports of the
points where a descent ends is computed by those.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from dhel_kcl.kernels.base import Kernel
from dhel_kcl.kernels.parameters import as_float
from dhel_kcl.losses.base import ContrastiveLoss, softplus
from dhel_kcl.losses.dhel_loss import DHELLoss
from dhel_kcl.losses.infonce_loss import InfoNCELoss
from dhel_kcl.losses.kcl_loss import KCLLoss
from dhel_kcl.losses.log_sum_exp import LogSumExpLoss

MEMORY = 5
"""Pairs of steps and changes of the gradient that L-BFGS keeps."""
STATIONARY = 1e-10
"""Largest entry of the gradient at which a descent ends."""
ROUNDING = 1e-15
"""Relative changes of a value below this are none."""
IDLE = 8
"""Steps without any change after which a descent ends."""


def losses(loss: ContrastiveLoss, points: Tensor, kernel: Kernel | None = None) -> Tensor:
    """A loss of each batch in a stack of unit vectors, shape (S, 2, M, d), both views; returns shape (S,).

    `kernel` takes the place of KCL's own.
    """
    if isinstance(loss, KCLLoss):
        return _kernel_losses(loss, points, kernel or loss.kernel)
    assert isinstance(loss, LogSumExpLoss)
    return _tempered_losses(loss, points)


def _kernel_losses(loss: KCLLoss, points: Tensor, kernel: Kernel) -> Tensor:
    u, v = points.unbind(1)
    aligned = kernel.alignment((u - v).square().sum(dim=-1)).mean(dim=-1)
    distances = (2 - 2 * points @ points.mT).clamp(min=0)
    pairs = without_diagonal(kernel.energy(distances)).mean(dim=-1) / (points.shape[2] - 1)
    return -2 * aligned + loss.gamma * pairs.sum(dim=-1)


def _tempered_losses(loss: LogSumExpLoss, points: Tensor) -> Tensor:
    u, v = points.unbind(1)
    weight, temperature = as_float(loss.energy_weight), as_float(loss.temperature)
    positive = (u * v).sum(dim=-1, keepdim=True).mT / temperature

    def sums(x: Tensor, y: Tensor) -> Tensor:
        return without_diagonal((x @ y.mT / temperature).exp())

    if isinstance(loss, DHELLoss):
        own = points[:, :1] if loss.form == "anchor" else points
        energy = sums(own, own).log().mean(dim=(1, 2))
        return loss.energies * weight * energy - positive.mean(dim=(1, 2))
    negatives = torch.stack([sums(u, v), sums(v, u)], dim=1)
    if not isinstance(loss, InfoNCELoss):
        negatives = negatives + sums(points, points)
    decoupled = weight * negatives.log() - positive
    return (softplus(decoupled) if loss.coupled else decoupled).mean(dim=(1, 2))


def without_diagonal(matrices: Tensor) -> Tensor:
    """Sum of each row of square matrices but for its entry on the diagonal."""
    diagonal = torch.eye(matrices.shape[-1], dtype=torch.bool)
    # The sum less the diagonal would lose the digits of rows that are small beside it.
    return matrices.masked_fill(diagonal, 0).sum(dim=-1)


@dataclass(frozen=True)
class Descents:
    """Where the descents from S starts ended: values (S,), points of the starts' shape and evaluations (S,)."""

    values: Tensor
    points: Tensor
    evaluations: Tensor


@dataclass(frozen=True)
class Stack:
    """Points (S, ..., d), the objective's values (S,) and its gradients along the sphere (S, ..., d)."""

    points: Tensor
    values: Tensor
    gradients: Tensor


Memory = list[tuple[Tensor, Tensor, Tensor]]
"""Of the last steps: step, change of the gradient, and 1 / (their dot product), 0 where that is not positive."""


def descend(objective: Callable[[Tensor], Tensor], starts: Tensor, steps: int = 2000) -> Descents:
    """Local minima over unit vectors by L-BFGS in float64, each start for itself.

    A step goes along the L-BFGS direction and back to the sphere, with backtracking until the value falls.

    Args:
        objective: values (S,) of a stack (S, ..., d) of unit vectors, each of its own part of the stack alone.
        starts: shape (S, ..., d), unit vectors.
        steps: most steps.
    """
    now = evaluated(objective, starts)
    evaluations = torch.ones(len(starts), dtype=torch.int64)
    idle = torch.zeros_like(evaluations)
    scale = initial_scale(now.gradients)
    memory: Memory = []
    for _ in range(steps):
        active = (now.gradients.abs().flatten(1).amax(dim=1) > STATIONARY) & (idle < IDLE)
        if not active.any():
            break
        direction = quasi_newton(now.gradients, memory, scale)
        after, stuck = backtracked(objective, now, direction, active, evaluations)
        # Where L-BFGS leads nowhere, what it remembers is forgotten, and the next step is along the gradient.
        remembers = sum((weight[stuck] != 0 for *_, weight in memory), torch.zeros(len(stuck), dtype=torch.int64)) > 0
        idle[stuck[~remembers]] = IDLE
        memory = [(step, change, weight.index_fill(0, stuck, 0.0)) for step, change, weight in memory]
        scale = scale.index_copy(0, stuck, initial_scale(now.gradients[stuck]))
        idle = torch.where(after.values < now.values - rounding(now.values), 0, idle + 1)
        step, change = after.points - now.points, after.gradients - now.gradients
        curvature, square = dot(step, change), dot(change, change)
        convex = curvature > 1e-12 * (square * dot(step, step)).sqrt()
        memory = [*memory[1 - MEMORY :], (step, change, torch.where(convex, 1 / curvature, 0.0))]
        scale = torch.where(convex, curvature / square, scale)
        now = after
    return Descents(now.values, now.points, evaluations)


def initial_scale(gradients: Tensor) -> Tensor:
    """Of steps along the gradient: no longer than 1, shape (S,)."""
    return 1 / dot(gradients, gradients).sqrt().clamp(min=1)


def evaluated(objective: Callable[[Tensor], Tensor], points: Tensor) -> Stack:
    """The objective at unit vectors; gradients are those of the objective of x / |x| at |x| = 1."""
    raw = points.detach().requires_grad_()
    values = objective(unit(raw))
    (gradients,) = torch.autograd.grad(values.sum(), raw)
    return Stack(points, values.detach(), gradients)


def quasi_newton(gradients: Tensor, memory: Memory, scale: Tensor) -> Tensor:
    """Directions by L-BFGS's two loops (Nocedal 1980), with `scale` (S,) as the initial inverse Hessian."""
    direction, shares = -gradients, []
    for step, change, weight in reversed(memory):
        shares.append(weight * dot(step, direction))
        direction = direction - times(shares[-1], change)
    direction = times(scale, direction)
    for step, change, weight in memory:
        direction = direction + times(shares.pop() - weight * dot(change, direction), step)
    return direction


def backtracked(
    objective: Callable[[Tensor], Tensor], now: Stack, direction: Tensor, active: Tensor, evaluations: Tensor
) -> tuple[Stack, Tensor]:
    """Where those of the stack that are `active` (S,) come by steps that lower the value, each as long as it can be;
    and the numbers of those that find none, which stay. Counts in `evaluations` (S,)."""
    slope = dot(now.gradients, direction)
    after = Stack(now.points.clone(), now.values.clone(), now.gradients.clone())
    size, todo = torch.ones_like(now.values), active.nonzero()[:, 0]
    for _ in range(20):
        tried = evaluated(objective, unit(now.points[todo] + times(size[todo], direction[todo])))
        evaluations[todo] += 1
        lower = tried.values <= now.values[todo] + (1e-4 * size[todo] * slope[todo] + rounding(now.values[todo]))
        done = todo[lower]
        after.points[done], after.values[done] = tried.points[lower], tried.values[lower]
        after.gradients[done] = tried.gradients[lower]
        excess = tried.values[~lower] - now.values[todo[~lower]]
        todo = todo[~lower]
        if len(todo) == 0:
            break
        # Least of the parabola through both values and the slope.
        parabola = -slope[todo] * size[todo] / (2 * (excess - slope[todo] * size[todo]))
        size[todo] = size[todo] * parabola.clamp(0.1, 0.5)
    return after, todo


def rounding(values: Tensor) -> Tensor:
    """Changes of values that are none."""
    return ROUNDING * values.abs().clamp(min=1)


def dot(x: Tensor, y: Tensor) -> Tensor:
    """Of each pair in two stacks, shape (S,)."""
    return (x * y).flatten(1).sum(dim=1)


def times(numbers: Tensor, x: Tensor) -> Tensor:
    """A stack (S, ...), each multiplied by its number (S,)."""
    return numbers.view(-1, *(1,) * (x.ndim - 1)) * x


def unit(points: Tensor) -> Tensor:
    return points / points.norm(dim=-1, keepdim=True)
