"""Which way each metric is better and what it is counted in: the one table that every ranking and arrow comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from humanbench.errors import HumanbenchError
from humanbench.text import nearest

Unit = Literal["%", "px", "people"]


@dataclass(frozen=True)
class Direction:
    """Whether more is better, and the unit: percent of 0-100, pixels, or people counted."""

    higher_is_better: bool
    unit: Unit

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
    "MR": Direction(False, "%"),
    "JI": _UP,
    **dict.fromkeys(("MAE", "MSE"), Direction(False, "people")),
}


def direction(metric: str) -> Direction:
    """The direction of a metric; a variant after a space or hyphen (`MR-2-all`, `IoU 3`, `rank-5`) has its family's.

    Raises `HumanbenchError` for a metric that the benchmark does not have.

    >>> direction("MR-2-reasonable").arrow, direction("PCKh@0.5 knee").arrow, direction("EPE").gain(8.0, 7.5)
    ('↓', '↑', 0.5)
    """
    name = metric
    while name:
        if name in _FAMILIES:
            return _FAMILIES[name]
        name = name[: max(name.rfind(" "), name.rfind("-"), 0)]
    raise HumanbenchError(f"no metric is called {metric!r}{nearest(metric, list(_FAMILIES))}")
