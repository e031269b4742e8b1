"""A backbone and a head as one network, with the frozen trunk outside autograd."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from humanbench.backbones.backbone import Backbone
from humanbench.engine.meters import bytes_of
from humanbench.engine.shards import State
from humanbench.errors import HumanbenchError
from humanbench.regimes import FreezeReport, train_mode
from humanbench.regimes.lora import LowRank
from humanbench.results import Storage
from humanbench.tasks.training import Batch


class CellError(HumanbenchError):
    """Work on a cell cannot go on; it is recorded as failed, and the other cells go on."""

    exit_code = 1


class Finetune(nn.Module):
    """What is fitted: `forward(batch)` gives the named loss terms, `outputs(batch)` the head's raw outputs.

    `split_index` is the layer group before which the network is split: everything before it is frozen, runs in
    evaluation mode and outside autograd, and can be replaced by its stored output, `batch["state"]`.
    """

    def __init__(self, backbone: Backbone, head: nn.Module, report: FreezeReport) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.report = report
        backbone.feature_level = getattr(head, "needs", "maps")
        self.compiled = False
        self._prefix, self._suffix = backbone.forward_prefix, backbone.forward_suffix
        self.split_index = max(k for k in range(report.first_trainable_group + 1) if backbone.can_split(k))

    def compile_backbone(self) -> None:
        """Have the backbone compiled when it is first called with pictures of a size; weights stay what they are."""
        self._prefix = torch.compile(self.backbone.forward_prefix)
        self._suffix = torch.compile(self.backbone.forward_suffix)
        self.compiled = True

    def train(self, mode: bool = True) -> Finetune:
        """Training mode for what trains only."""
        super().train(mode)
        if mode:
            train_mode(self.backbone, self.head, self.report)
        return self

    def trunk(self, images: Tensor) -> State:
        """The frozen trunk's output for a batch of images, as `Backbone.forward_prefix` gives it."""
        with torch.no_grad():
            state = self._prefix(images, self.split_index)
        return (state,) if isinstance(state, Tensor) else tuple(state)

    def outputs(self, batch: Batch) -> Any:
        """Raw outputs of the head for a batch with `image` or `state`."""
        state = batch["state"] if "state" in batch else self.trunk(batch["image"])
        return self.head(self._suffix(state, self.split_index), batch)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        losses: dict[str, Tensor] = self.head.loss(self.outputs(batch), batch)  # type: ignore[operator]
        return losses


def trainable_state_dict(model: nn.Module) -> dict[str, Tensor]:
    """What a fit changes, by name: trainable parameters and all buffers."""
    frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
    return {name: tensor for name, tensor in model.state_dict().items() if name not in frozen}


def storage(model: Finetune) -> Storage:
    """Bytes of the backbone as it came, and of what the cell adds: its weights file, and what its head remembers."""
    backbone = model.backbone
    low_rank = {id(p) for module in backbone.modules() if isinstance(module, LowRank) for p in module.parameters()}
    state = [tensor for tensor in (*backbone.parameters(), *backbone.buffers()) if id(tensor) not in low_rank]
    added = sum(tensor.nbytes for tensor in trainable_state_dict(backbone).values()) + bytes_of(model.head)
    return Storage(backbone=sum(tensor.nbytes for tensor in state), added=added)


def load_trainable_state(model: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Load what `trainable_state_dict` gave."""
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    lost = set(missing) & set(trainable_state_dict(model))
    if lost or unexpected:
        raise CellError(f"saved weights do not fit the model: {sorted(lost | set(unexpected))[:3]}")


class EmaWeights:
    """Exponential moving average of what a fit changes; buffers and integers are taken as they are."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.values = {name: tensor.detach().clone() for name, tensor in trainable_state_dict(model).items()}

    @torch.no_grad()
    def update(self, model: nn.Module, iteration: int) -> None:
        """Take in the model after an iteration; the first iterations count more, so that the start is forgotten."""
        decay = min(self.decay, (1 + iteration) / (10 + iteration))
        parameters = {name for name, _ in model.named_parameters()}
        for name, tensor in trainable_state_dict(model).items():
            if name in parameters:
                self.values[name].lerp_(tensor.detach(), 1 - decay)
            else:
                self.values[name].copy_(tensor)
