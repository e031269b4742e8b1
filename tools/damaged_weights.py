"""Copies of a backbone's weights with something broken: `python -m tools.damaged_weights FILE FOLDER`.

Writes FOLDER/<damage>.safetensors for each damage: noise of some percent of each tensor's own standard deviation, the
last block or stage as it is before any training, a class token of zeros where there is one. What a gate should find,
and when, is in docs/gate-power.md.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

State = dict[str, torch.Tensor]


def noise(percent: float) -> Callable[[State], State]:
    """Normal noise on every tensor of more than one dimension."""

    def damage(state: State) -> State:
        generator = torch.Generator().manual_seed(0)
        return {name: _noisy(tensor, percent / 100, generator) for name, tensor in state.items()}

    return damage


def _noisy(tensor: torch.Tensor, share: float, generator: torch.Generator) -> torch.Tensor:
    if tensor.ndim < 2:
        return tensor
    return tensor + share * tensor.std() * torch.randn(tensor.shape, generator=generator)


def reset_last_block(state: State) -> State:
    """The last block of a transformer, or the last stage of a residual network, as it is before any training.

    Matrices of blocks are drawn anew as timm's vision transformers start (sd 0.02), convolutions of stages as its
    residual networks do (He et al., fan out); norms and their running statistics do nothing.
    """
    parts = [(found[0], int(found[1])) for name in state if (found := re.search(r"(?:blocks\.|layer)(\d+)\.", name))]
    last = max(parts, key=lambda part: part[1])[0]
    generator = torch.Generator().manual_seed(0)
    return {name: _reset(name, t, generator) if last in name else t for name, t in state.items()}


def _reset(name: str, tensor: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    if tensor.ndim > 1:
        sd = 0.02 if tensor.ndim == 2 else (2 / (len(tensor) * tensor[0, 0].numel())) ** 0.5
        return sd * torch.randn(tensor.shape, generator=generator)
    return torch.ones_like(tensor) if name.endswith((".weight", "running_var")) else torch.zeros_like(tensor)


def zero_class_token(state: State) -> State:
    """The class token, which features for whole pictures start from."""
    return {name: torch.zeros_like(t) if name.endswith("cls_token") else t for name, t in state.items()}


DAMAGES: dict[str, Callable[[State], State]] = {
    **{f"noise-{percent}": noise(percent) for percent in (5, 10, 20, 40)},
    "last-block-reset": reset_last_block,
    "class-token-zeroed": zero_class_token,
}


def main(arguments: list[str]) -> None:
    """Write every damaged copy."""
    if len(arguments) != 2:
        sys.exit("python -m tools.damaged_weights FILE.safetensors FOLDER")
    state, folder = load_file(arguments[0]), Path(arguments[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, damage in DAMAGES.items():
        if name == "class-token-zeroed" and not any(key.endswith("cls_token") for key in state):
            continue
        save_file({key: tensor.contiguous() for key, tensor in damage(state).items()}, folder / f"{name}.safetensors")
        print(folder / f"{name}.safetensors")


if __name__ == "__main__":
    main(sys.argv[1:])
