"""A tiny transformer, tiny datasets and overrides that make a cell take a second."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from timm.models.vision_transformer import VisionTransformer

from humanbench.backbones.backbone import Backbone
from humanbench.backbones.features import Preprocessing
from humanbench.backbones.grouped_forward.vit import ViTForward
from humanbench.cards import load_card
from tests.evaluated import write_dataset

FAST = {
    "attribute": {"input.size": [32, 32], "train.epochs": 3, "train.batch_size": 8},
    "reid": {"input.size": [32, 32], "train.epochs": 2, "train.batch_size": 8},
    "pose": {"input.size": [32, 32], "head.channels": 8, "train.epochs": 2, "train.batch_size": 8},
    "parsing": {"input.size": [32, 32], "head.channels": 8, "train.epochs": 2, "train.batch_size": 8},
    "detection": {"input.size": [32, 64], "head.hidden": 16, "head.ffn": 16, "train.epochs": 2, "train.batch_size": 4},
    "counting": {"augment.crop": [32, 32], "head.channels": 8, "train.epochs": 2, "train.batch_size": 4},
}
"""Overrides of the mini recipes by task."""


def toy_backbone(seed: int = 0) -> Backbone:
    """A plain vision transformer of 3 blocks, 16 wide, with patches of 16 pixels; random weights from the seed."""
    torch.manual_seed(seed)
    trunk = VisionTransformer(img_size=32, patch_size=16, embed_dim=16, depth=3, num_heads=2, num_classes=0)
    digest = hashlib.sha256(b"".join(t.numpy().tobytes() for t in trunk.state_dict().values())).hexdigest()
    preprocessing = Preprocessing((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "bilinear", (32, 32))
    return Backbone(trunk, ViTForward(trunk), preprocessing, name="toy", weights_sha256=digest)


def write_datasets(root: Path, *names: str) -> Path:
    """Small copies of datasets, random pictures and labels, under a data root."""
    for name in names:
        write_dataset(load_card(name), root)
    return root
