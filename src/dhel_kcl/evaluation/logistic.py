"""Multinomial logistic regression of fixed points, solved to a stated distance from the least loss, in float64."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor
from torch.nn.functional import log_softmax

GAP = 1e-10
"""Nats by which a solution's loss may lie above the least."""
WORST_GAP = 1e-6
"""The same where float64 shows no lower loss any more: with penalties below some 1e-7, whose `Whitened.gap` is far from
tight. On 10,000 test images of CIFAR-10 not even this changed a prediction (benchmarks/README.md)."""
OPTIONS = {"maxiter": 5_000, "maxfun": 10_000, "gtol": 0, "ftol": 0, "maxcor": 20}
"""Of L-BFGS: on until `GAP` says stop, or the loss falls no more."""
CONSTANT = 1e-5
"""Standard deviation over mean of a feature in float32 that differs by rounding alone."""
BLOCK = 2**18
"""Entries of the points that are held in float64 at a time: as much as a core's cache takes."""


@dataclass(frozen=True, eq=False)
class Classifier:
    """weight (classes, d) and bias (classes,), float64."""

    weight: Tensor
    bias: Tensor

    def logits(self, points: Tensor) -> Tensor:
        """Of points (N, d): shape (N, classes), float64."""
        rows = rows_of(points)
        return torch.cat([torch.addmm(self.bias, block.double(), self.weight.T) for block in points.split(rows)])


class LogisticRegression:
    """Least mean cross-entropy + weight_decay / 2 ||W||^2 over weights W and bias; the bias has no penalty.

    weight_decay > 0 makes the problem strictly convex in W, so its solution depends on no seed and no start.
    standardised: as if each feature had its mean over the points taken off, and were divided by its standard deviation
    and by sqrt(d), which makes the mean squared length of a point 1. All that this changes is the penalty: a feature's
    weights count d times its variance.
    """

    def __init__(self, points: Tensor, labels: Tensor, classes: int, standardised: bool = False) -> None:
        """points: shape (N, d). labels: shape (N,), in 0 ... classes - 1. They are read by blocks and not copied."""
        self.points, self.labels, self.classes = points, labels, classes
        dim = points.shape[1]
        self.mean = torch.zeros(dim, dtype=torch.float64, device=points.device)
        self.covariance = self.mean.new_zeros(dim, dim)
        wide = points.split(max(dim, rows_of(points)))
        for block in wide:
            self.mean += block.sum(dim=0, dtype=torch.float64) / len(points)
        for block in wide:
            centred = block.double() - self.mean
            self.covariance.addmm_(centred.T, centred, alpha=1 / len(points))
        self.penalties = dim * self._variances() if standardised else torch.ones_like(self.mean)

    def fit(self, weight_decay: float) -> Classifier:
        """The solution for a penalty. Raises ValueError where float64 does not reach `WORST_GAP`.

        L-BFGS takes some 20 to 60 evaluations in coordinates in which the loss is round at W = 0 (`Whitened`), and
        hundreds in those of W.
        """
        problem = Whitened(self, weight_decay)

        def stop(_: NDArray) -> None:
            if problem.gap <= GAP:
                raise StopIteration

        start = np.zeros(self.classes * (len(self.mean) + 1))
        solution = minimize(problem, start, jac=True, method="L-BFGS-B", callback=stop, options=OPTIONS)
        if problem.gap > WORST_GAP:
            raise ValueError(
                f"the probe with weight_decay {weight_decay:g} came within {problem.gap:.1g} of its least loss, not "
                f"within {WORST_GAP:g}; raise probe.weight_decay"
            )
        return problem.classifier(solution.x)

    def _variances(self) -> Tensor:
        """Of each feature; of one that is constant but for rounding, its square, or 1, which leaves it no weight."""
        variances, squares = self.covariance.diagonal(), self.mean.square()
        constant = variances <= CONSTANT**2 * squares
        return torch.where(constant, squares.where(squares > 0, 1.0), variances)

    def cross_entropy(self, classifier: Classifier) -> tuple[Tensor, Tensor, Tensor]:
        """Mean over the points, and its gradients with respect to weight and bias."""
        weight, bias = classifier.weight, classifier.bias[:, None]
        loss, of_weight, of_bias = self.mean.new_zeros(()), torch.zeros_like(weight), torch.zeros_like(bias)
        rows = rows_of(self.points)
        for block, labels in zip(self.points.split(rows), self.labels.split(rows), strict=True):
            block = block.double()
            log_p = log_softmax(torch.addmm(bias, weight, block.T), dim=0)  # classes first: its products are faster
            loss -= log_p.gather(0, labels[None]).sum()
            residual = log_p.exp_()
            residual.scatter_add_(0, labels[None], -torch.ones_like(residual[:1]))
            of_weight.addmm_(residual, block)
            of_bias += residual.sum(dim=1, keepdim=True)
        return loss / len(self.points), of_weight / len(self.points), of_bias[:, 0] / len(self.points)


class Whitened:
    """A regression's penalised loss as a function of coordinates in which its Hessian at W = 0, where all classes are
    equally likely, is 1 (but for the shift of all classes, on which the loss does not depend).

    That Hessian is (1 - 11'/classes) / classes times the points' covariance, plus the penalty. gap: how far at most the
    loss lies above the least, where it was last evaluated, by the strong convexity of the penalty: ||gradient||^2 / (2
    weight_decay), with respect to standardised weights where there are such. The bias, which has no penalty, counts as
    if it had at least that or its own curvature at W = 0.
    """

    def __init__(self, problem: LogisticRegression, weight_decay: float) -> None:
        self.problem, self.weight_decay, self.gap = problem, weight_decay, float("inf")
        self.penalties = weight_decay * problem.penalties
        self.factor = torch.linalg.cholesky(problem.covariance / problem.classes + self.penalties.diag())

    def __call__(self, coordinates: NDArray) -> tuple[float, NDArray]:
        """Value and gradient."""
        problem, at = self.problem, self.classifier(coordinates)
        loss, of_weight, of_bias = problem.cross_entropy(at)
        of_weight += self.penalties * at.weight - torch.outer(of_bias, problem.mean)
        loss += (self.penalties * at.weight.square()).sum() / 2
        flatness = max(1 / self.weight_decay, problem.classes)
        self.gap = float((of_weight.square() / self.penalties).sum() + of_bias.square().sum() * flatness) / 2
        whitened = torch.linalg.solve_triangular(self.factor.T, of_weight, upper=True, left=False)
        gradient = torch.cat([whitened.flatten(), of_bias * problem.classes**0.5])
        return loss.item(), gradient.cpu().numpy()

    def classifier(self, coordinates: NDArray) -> Classifier:
        """The weights and bias that coordinates stand for."""
        problem = self.problem
        flat = torch.from_numpy(coordinates).to(problem.mean.device)
        whitened = flat[: -problem.classes].view(problem.classes, -1)
        weight = torch.linalg.solve_triangular(self.factor, whitened, upper=False, left=False)
        return Classifier(weight, flat[-problem.classes :] * problem.classes**0.5 - weight @ problem.mean)


def rows_of(points: Tensor) -> int:
    """Of a block."""
    return max(1, BLOCK // points.shape[1])
