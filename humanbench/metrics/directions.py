"""Which way each metric is better and what it is counted in: the one table that every ranking and arrow comes from.

Another package adds a metric as an entry point of the group `humanbench.metrics`, whose name is the metric's and which
names a `Direction`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from humanbench.errors import HumanbenchError
from humanbench.text import nearest

GROUP = "humanbench.metrics"


@dataclass(frozen=True)
class Direction:
    """Whether more is better, and the unit: `%` (percent of 0-100), `px`, or a word in the plural (`people`)."""

    higher_is_better: bool
    unit: str

    @property
    def arrow(self) -> str:
        """An arrow that points to the better side."""
        return "↑" if self.higher_is_better else "↓"

    def gain(self, base: float, new: float) -> float:
        """How much better `new` is than `base`, in the metric's unit; negative where it is worse."""
        return new - base if self.higher_is_better else base - new


_UP = Direction(True, "%")

_FAMILIES: dict[str, Direction] = {
    **dict.fromkeys(("mAP", "rank", "mINP"), _UP),
    **dict.fromkeys(("AP", "AP50", "AP75", "APm", "APl", "AR", "AR50", "AR75", "ARm", "ARl"), _UP),
    **dict.fromkeys(("PCKh@0.5", "PCKh@0.1"), _UP),
    "EPE": Direction(False, "px"),
    **dict.fromkeys(("mIoU", "IoU", "pACC", "mACC", "mean precision", "mean recall", "foreground accuracy"), _UP),
    **dict.fromkeys(("mA", "accuracy", "precision", "recall", "F1"), _UP),
    **dict.fromkeys(("MR", "ECE", "D-ECE"), Direction(False, "%")),
    "JI": _UP,
    **dict.fromkeys(("MAE", "MSE"), Direction(False, "people")),
}


CALIBRATION = ("ECE", "D-ECE")
"""Errors of calibration, which `score` and the pages show beside what a card reports."""

PARTS = {"IoU": "classes", "mA": "attributes", "ECE": "attributes", "PCKh@0.5": "joints", "EPE": "joints"}
"""Of which families a variant after a space is the number of a part of the labels, and what such parts are."""


def part_of(metric: str) -> tuple[str, str] | None:
    """The family and the part that a metric is of; None for one that is of all.

    >>> part_of("IoU 3"), part_of("mA Hat"), part_of("mean recall")
    (('IoU', '3'), ('mA', 'Hat'), None)
    """
    family, _, part = metric.partition(" ")
    return (family, part) if part and family in PARTS else None


def direction(metric: str) -> Direction:
    """The direction of a metric; a variant after a space or hyphen (`MR-2-all`, `IoU 3`, `rank-5`) has its family's.

    Raises `HumanbenchError` for a metric that neither the benchmark nor an installed package has.

    >>> direction("MR-2-reasonable").arrow, direction("PCKh@0.5 knee").arrow, direction("EPE").gain(8.0, 7.5)
    ('↓', '↑', 0.5)
    """
    if (ours := _in(_FAMILIES, metric)) is not None:
        return ours
    elsewhere = _from_elsewhere(tuple(sys.path))
    if (theirs := _in(elsewhere, metric)) is not None:
        return theirs
    known = [*_FAMILIES, *elsewhere]
    raise HumanbenchError(f"no metric is called {metric!r}{nearest(metric, known)}")


def _in(families: Mapping[str, Direction], metric: str) -> Direction | None:
    name = metric
    while name:
        if name in families:
            return families[name]
        name = name[: max(name.rfind(" "), name.rfind("-"), 0)]
    return None


@lru_cache(maxsize=8)
def _from_elsewhere(path: tuple[str, ...]) -> Mapping[str, Direction]:
    """Metrics of packages that are installed in these places."""
    from importlib.metadata import entry_points

    families: dict[str, Direction] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        way = point.load()
        if not isinstance(way, Direction) or point.name in _FAMILIES:
            raise HumanbenchError(
                f"the entry point {point.name} of {GROUP} ({point.value}) names no Direction, or a metric that is ours"
            )
        families[point.name] = way
    return families
