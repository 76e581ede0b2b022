"""SGD with momentum by torch's own update function.

`torch.optim.SGD` does the same, but constructing any `torch.optim.Optimizer` imports torch's compiler, which takes
two seconds: as long as a short job trains.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.sgd import sgd


class MomentumSGD:
    """v <- momentum v + (gradient + decay p), p <- p - rate v, with weight decay on matrices and filters only.

    Biases and batch normalisation (parameters of one dimension) are not decayed; parameters that need no gradient
    are left alone.
    """

    def __init__(self, model: nn.Module, momentum: float, weight_decay: float) -> None:
        self.momentum = momentum
        parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        matrices = [parameter for parameter in parameters if parameter.ndim > 1]
        vectors = [parameter for parameter in parameters if parameter.ndim <= 1]
        self.groups: list[tuple[list[nn.Parameter], float]] = [(matrices, weight_decay), (vectors, 0.0)]
        self.velocities: list[list[Tensor | None]] = [[None] * len(group) for group, _ in self.groups]

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Update all parameters from their gradients, and clear the gradients."""
        for (parameters, decay), velocities in zip(self.groups, self.velocities, strict=True):
            gradients: Any = [parameter.grad for parameter in parameters]
            options: Any = {"momentum": self.momentum, "dampening": 0.0, "nesterov": False, "maximize": False}
            options |= {"lr": rate, "weight_decay": decay, "foreach": False, "fused": True}
            sgd(list(parameters), gradients, velocities, **options)
            for parameter in parameters:
                parameter.grad = None

    def state_dict(self) -> dict[str, Any]:
        return {"velocities": self.velocities}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for (parameters, _), velocities, saved in zip(self.groups, self.velocities, state["velocities"], strict=True):
            velocities[:] = [None if v is None else v.to(p) for p, v in zip(parameters, saved, strict=True)]
