"""Parameters that are numbers or tensors: where a module keeps them, how they are checked, when values may be read."""

import math
from numbers import Real

import torch
from torch import Tensor, nn

Number = float | Tensor
"""A float, or a floating-point tensor of shape (), which may be learned."""


class Parametric(nn.Module):
    """A module whose hyperparameters are kept by name, and shown by its repr."""

    def __init__(self) -> None:
        super().__init__()
        self.hyperparameters: tuple[str, ...] = ()

    def keep(self, **values: Number | str | bool) -> None:
        """Make attributes of hyperparameters: an `nn.Parameter` is registered, another tensor becomes a buffer."""
        for name, value in values.items():
            if isinstance(value, Tensor) and not isinstance(value, nn.Parameter):
                self.register_buffer(name, value)
            else:
                setattr(self, name, value)
        self.hyperparameters += tuple(values)

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={_shown(getattr(self, name))}" for name in self.hyperparameters)


def _shown(value: Number | str | bool) -> str:
    if isinstance(value, Tensor):
        return f"{type(value).__name__}({value.tolist():.4g})"
    return repr(value)


def check_positive(*, read: bool = False, **parameters: Number) -> None:
    """Raise ValueError for a parameter that is not a finite number above zero: see `check_between`."""
    for name, value in parameters.items():
        check_between(name, value, "a finite number above 0", read=read)


def check_between(name: str, value: Number, rule: str, upper: float = math.inf, *, read: bool = False) -> None:
    """Raise ValueError, with the rule, unless a parameter is a number between 0 and `upper`, both excluded.

    A tensor must be floating point and have shape (). Its value is looked at where that makes nobody wait
    (`may_read`), or with `read`.
    """
    if isinstance(value, Tensor):
        if value.shape != () or not value.is_floating_point():
            what = f"a tensor of shape {tuple(value.shape)} and type {value.dtype}"
            raise ValueError(f"{name} must be a number or a floating-point tensor of shape (); got {what}")
        if not (read or may_read(value)):
            return
    elif not isinstance(value, Real) or isinstance(value, bool):
        raise ValueError(f"{name} must be a number or a floating-point tensor of shape (); got {value!r}")
    number = as_float(value)
    if not (math.isfinite(number) and 0 < number < upper):
        raise ValueError(f"{name} must be {rule}; got {number}")


def between(value: Number, upper: float = math.inf) -> Number:
    """The value, a tensor in float32 or better: NaN outside of 0 and `upper`, which nothing has to be read for."""
    if isinstance(value, Tensor):
        value = value.to(torch.promote_types(value.dtype, torch.float32))
        return torch.where((value > 0) & (value < upper), value, torch.nan)
    return value


def as_float(value: Number) -> float:
    return float(value.detach()) if isinstance(value, Tensor) else float(value)


def may_read(value: Tensor) -> bool:
    """Whether a tensor's value can be looked at, and nothing waits for it: eagerly, on the CPU, outside torch.func."""
    return value.device.type == "cpu" and not traced()


def traced() -> bool:
    """Whether this is compiled, or runs inside torch.func.grad, vmap or the like."""
    return torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()
