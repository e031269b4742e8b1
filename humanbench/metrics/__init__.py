"""Pure array metrics of the six tasks: no I/O, no torch, no globals.

Each function returns a `Scores`. Definitions, units and the choices made where the field's tools disagree are in the
docstrings and in docs/metrics.md. Imported lazily, so that one metric does not load the dependencies of another.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from humanbench.metrics.scores import Scores as Scores

_WHERE = {
    "reid": "ranking",
    "reid_from_features": "ranking",
    "keypoint_ap": "keypoints",
    "PoseDetections": "keypoints",
    "pckh": "keypoint_distance",
    "epe": "keypoint_distance",
    "confusion": "segmentation",
    "parsing": "segmentation",
    "attributes": "attributes",
    "crowdhuman": "crowdhuman",
    "caltech": "caltech",
    "caltech_paper": "caltech",
    "counting": "counting",
}

if TYPE_CHECKING:
    from humanbench.metrics.attributes import attributes as attributes
    from humanbench.metrics.caltech import caltech as caltech
    from humanbench.metrics.caltech import caltech_paper as caltech_paper
    from humanbench.metrics.counting import counting as counting
    from humanbench.metrics.crowdhuman import crowdhuman as crowdhuman
    from humanbench.metrics.keypoint_distance import epe as epe
    from humanbench.metrics.keypoint_distance import pckh as pckh
    from humanbench.metrics.keypoints import PoseDetections as PoseDetections
    from humanbench.metrics.keypoints import keypoint_ap as keypoint_ap
    from humanbench.metrics.ranking import reid as reid
    from humanbench.metrics.ranking import reid_from_features as reid_from_features
    from humanbench.metrics.segmentation import confusion as confusion
    from humanbench.metrics.segmentation import parsing as parsing

__all__ = ["Scores", *_WHERE]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'humanbench.metrics' has no attribute {name!r}")
    return getattr(importlib.import_module(f"humanbench.metrics.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """Keeps `metrics.caltech` the function: importing a submodule would bind its module to the same name."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _WHERE and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
