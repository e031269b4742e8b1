"""A tiny pretraining: four entries of four tasks, a transformer 16 wide, a second or two."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from humanbench.backbones import load_backbone
from humanbench.backbones.backbone import Backbone
from humanbench.cards import load_card
from humanbench.pretrain.entries import EntryData, open_entries
from humanbench.pretrain.loop import PretrainLoop, Process
from humanbench.pretrain.network import MaeNetwork, Network, PathNetwork
from humanbench.pretrain.recipe import PretrainRecipe, load_pretrain_recipe
from humanbench.pretrain.trunk import init_weights
from humanbench.run_log import RunLog
from tests.evaluated import write_dataset

DATASETS = ("coco_pose", "rapv2", "pa100k", "market1501", "cuhk03", "crowdhuman")
TINY = {"embed_dim": 16, "depth": 3, "num_heads": 2, "patch_size": 16, "img_size": 64}
SET: dict[str, Any] = {
    "iterations": 4,
    "save_every": 2,
    "every.batch": 4,
    "every.drop_path": 0.2,
    "projector.reduction": 4,
    "group.pose.set.input.size": [32, 32],
    "group.pose.set.head.channels": 8,
    "group.attribute.set.input.size": [32, 32],
    "group.reid.set.input.size": [32, 32],
    "group.detection.set.input.size": [32, 48],
    "group.detection.set.augment.short_sides": [32],
    "group.detection.set.head.hidden": 16,
    "group.detection.set.head.heads": 2,
    "group.detection.set.head.ffn": 16,
    "group.detection.set.head.anchors": 8,
    "group.detection.parts": 2,
    "entries.attr_rap2_pa100k.parts": 2,
}


def write(root: Path) -> Path:
    """Small random copies of the datasets under a data root."""
    for name in DATASETS:
        write_dataset(load_card(name), root)
    return root


def recipe(method: str = "path", **changes: Any) -> PretrainRecipe:
    """The tiny recipe; `changes` with `__` for dots."""
    overrides = {k: v for k, v in SET.items() if method == "path" or k != "projector.reduction"}
    if method == "mae":
        overrides |= {"masking.dim": 16, "masking.depth": 1, "masking.heads": 2}
    overrides |= {name.replace("__", "."): value for name, value in changes.items()}
    return load_pretrain_recipe(method, "mini", overrides=overrides).only(DATASETS)


def start(class_token: bool = False) -> Backbone:
    """A transformer without training, of the size of `TINY`."""
    made = load_backbone("vit", class_token=class_token, **TINY)
    init_weights(made.trunk, 3)
    return made


def convolutional() -> Backbone:
    """A residual network without training, with the running statistics of batch normalisation."""
    return load_backbone("random:resnet10t", seed=3, channels=[8, 8, 8, 16], output_stride=8)


def build(chosen: PretrainRecipe, root: Path, backbone: Backbone | None = None) -> tuple[Network, list[EntryData]]:
    """The network (over a transformer, if nothing else is given) and its entries; the same one every time."""
    backbone = backbone or start(class_token=chosen.method == "mae")
    entries = open_entries(chosen, root, backbone.preprocessing, 0)
    torch.manual_seed(0)
    if chosen.masking is not None:
        return MaeNetwork(backbone, chosen, chosen.masking), entries
    return PathNetwork(backbone, chosen, entries), entries


def work(
    chosen: PretrainRecipe,
    root: Path,
    checkpoint: Path,
    process: Process | None = None,
    backbone: Backbone | None = None,
) -> PretrainLoop:
    """The tiny pretraining, not yet run."""
    network, entries = build(chosen, root, backbone)
    return PretrainLoop(
        network, entries, chosen, 0, process or Process(), checkpoint, chosen.sha256, RunLog(None, loud=False)
    )


def weights(network: Network) -> dict[str, torch.Tensor]:
    """A copy of all that is stored."""
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def kind(name: str, root: Path, checkpoint: Path, process: Process | None = None) -> PretrainLoop:
    """The tiny pretraining of a method, or `convolutional`: PATH of a residual network, without projectors."""
    if name != "convolutional":
        return work(recipe(name), root, checkpoint, process)
    return work(recipe(projector__enabled=False), root, checkpoint, process, convolutional())
