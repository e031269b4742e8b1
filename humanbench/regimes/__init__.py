"""Regimes: how much of a network a finetuning trains.

`table` has an entry for each; `record` types what recipes say of them; `freezing` carries one out on a network and says
what it did; `parameters` knows what belongs to what. Nothing here imports torch before a network is there.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from humanbench.regimes.table import DEFAULT_REGIME, REGIMES, Regime, fits

if TYPE_CHECKING:
    from humanbench.regimes.freezing import FreezeReport, Variant, freeze, train_mode
    from humanbench.regimes.record import Freezing

__all__ = [
    "DEFAULT_REGIME", "REGIMES", "FreezeReport", "Freezing", "Regime", "Variant", "fits", "freeze",
    "train_mode",
]  # fmt: skip

_LATER = dict.fromkeys(("FreezeReport", "Variant", "freeze", "train_mode"), "freezing") | {"Freezing": "record"}
"""Names that are loaded when they are asked for, so that help texts do not wait for them."""


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
