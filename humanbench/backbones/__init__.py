"""Backbones: from a name, a card or a checkpoint to a network whose features the heads use.

Importing this package loads neither torch nor timm; the names below are imported when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_API = {
    "Backbone": "humanbench.backbones.backbone",
    "BackboneCard": "humanbench.backbones.cards",
    "Features": "humanbench.backbones.features",
    "LayerGroup": "humanbench.backbones.features",
    "LoadReport": "humanbench.backbones.report",
    "Preprocessing": "humanbench.backbones.features",
    "load_backbone": "humanbench.backbones.loading",
}

if TYPE_CHECKING:
    from humanbench.backbones.backbone import Backbone as Backbone
    from humanbench.backbones.cards import BackboneCard as BackboneCard
    from humanbench.backbones.features import Features as Features
    from humanbench.backbones.features import LayerGroup as LayerGroup
    from humanbench.backbones.features import Preprocessing as Preprocessing
    from humanbench.backbones.loading import load_backbone as load_backbone
    from humanbench.backbones.report import LoadReport as LoadReport

__all__ = ["Backbone", "BackboneCard", "Features", "LayerGroup", "LoadReport", "Preprocessing", "load_backbone"]


def __getattr__(name: str) -> Any:
    if name not in _API:
        raise AttributeError(f"module 'humanbench.backbones' has no attribute {name!r}")
    return getattr(importlib.import_module(_API[name]), name)
