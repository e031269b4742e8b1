"""Pretrainings as they are asked for: tiny ones that start from a card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from humanbench.pretrain import entry_checkpoints
from humanbench.pretrain.run import PretrainRequest
from tests.pretrain.small import DATASETS, SET, TINY, start


def start_card(folder: Path) -> Path:
    """A card of a network without training, of the tiny size."""
    backbone = start(class_token=True)
    entry_checkpoints.write_backbone(folder, {k: v.clone() for k, v in backbone.trunk.state_dict().items()}, {})
    arguments = TINY | {"builder": "humanbench.backbones.build:plain"}
    entry_checkpoints.write_card(
        folder,
        {
            "id": "tiny", "name": "tiny", "pretrained_on": ["imagenet-1k"], "licence": "none",
            "architecture": {"builder": arguments.pop("builder"), "arguments": arguments},
            "paper": {"title": "none", "year": 2024, "venue": "none"},
        },
    )  # fmt: skip
    return folder / "card.toml"


def request(root: Path, out: Path, card: Path, **more: Any) -> PretrainRequest:
    given: dict[str, Any] = {"suite": "mini", "datasets": DATASETS, "set": SET, "device": "cpu"}
    return PretrainRequest(data_root=root, out=out, backbone=str(card), **(given | more))
