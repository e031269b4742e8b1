"""Regimes: how much of a network a finetuning trains.

`table` has an entry for each; `freezing` carries it out on a network and says what it did; `parameters` knows what
belongs to what. Nothing here imports torch before a network is there.
"""

from humanbench.regimes.freezing import FreezeReport, Variant, freeze, train_mode
from humanbench.regimes.table import DEFAULT_REGIME, REGIMES, Freezing, Regime, RegimeName, fits

__all__ = [
    "DEFAULT_REGIME", "REGIMES", "FreezeReport", "Freezing", "Regime", "RegimeName", "Variant", "fits", "freeze",
    "train_mode",
]  # fmt: skip
