"""The Adafactor of the released PATH code: external learning rate, momentum of the scaled update, capped beta2."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import Optimizer

_LEAST = 1e-30
"""Added to squared gradients."""


class Adafactor(Optimizer):
    """Adafactor with a factored second moment over the last two dimensions of tensors that have two or more.

    With t the step, beta2 = min(1 - t ** decay_rate, clip_beta2). The update is gradient / sqrt(second moment), divided
    by max(1, RMS / clip_threshold), times the learning rate; its moving average (beta1) is subtracted. Weight decay is
    decoupled: p -= lr * weight_decay * p. Neither the step nor the size of a parameter scales the rate.

    This is the variant of OpenGVLab/HumanBench (PATH/core/optimizers/adafactor.py, without its parameter scale and
    relative step); the optimisers of the same name in timm and transformers place momentum and the cap differently.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float,
        beta1: float = 0.9,
        clip_beta2: float = 0.999,
        clip_threshold: float = 1.0,
        decay_rate: float = -0.8,
        weight_decay: float = 0.0,
    ) -> None:
        defaults = {
            "lr": lr,
            "beta1": beta1,
            "clip_beta2": clip_beta2,
            "clip_threshold": clip_threshold,
            "decay_rate": decay_rate,
            "weight_decay": weight_decay,
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take one step; the loss of `closure`, which is evaluated first."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, self.state[parameter], group)
        return loss

    def _update(self, parameter: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        if not state:
            state |= _fresh(grad)
        state["step"] += 1
        beta2 = min(1.0 - state["step"] ** group["decay_rate"], group["clip_beta2"])
        update = _rescaled(grad, state, beta2)
        update.div_((_rms(update) / group["clip_threshold"]).clamp_(min=1.0)).mul_(group["lr"])
        state["momentum"].mul_(group["beta1"]).add_(update, alpha=1 - group["beta1"])
        if group["weight_decay"]:
            parameter.mul_(1 - group["weight_decay"] * group["lr"])
        parameter.sub_(state["momentum"])


def _fresh(grad: Tensor) -> dict[str, Any]:
    state: dict[str, Any] = {"step": 0, "momentum": torch.zeros_like(grad)}
    if grad.ndim < 2:
        return state | {"square": torch.zeros_like(grad)}
    return state | {
        "rows": grad.new_zeros(grad.shape[:-1]),
        "columns": grad.new_zeros(grad.shape[:-2] + grad.shape[-1:]),
    }


def _rescaled(grad: Tensor, state: dict[str, Any], beta2: float) -> Tensor:
    """The gradient over the root of its running mean square, which this updates."""
    square = grad.square().add_(_LEAST)
    if grad.ndim < 2:
        mean: Tensor = state["square"].lerp_(square, 1 - beta2)
        return mean.rsqrt().mul_(grad)
    rows: Tensor = state["rows"].lerp_(square.mean(dim=-1), 1 - beta2)
    columns: Tensor = state["columns"].lerp_(square.mean(dim=-2), 1 - beta2)
    row_factor = (rows / rows.mean(dim=-1, keepdim=True)).rsqrt_().unsqueeze(-1)
    return (row_factor * columns.unsqueeze(-2).rsqrt()).mul_(grad)


def _rms(tensor: Tensor) -> Tensor:
    return tensor.square().mean().sqrt_()
