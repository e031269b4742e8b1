"""What a recipe changes in a regime."""

from __future__ import annotations

from typing import Any, Literal

from humanbench.schema import Count, Positive, Record

OPTIONS_OF = {"lora": ("lora_rank", "lora_alpha", "lora_places")}
"""Keys that one regime alone reads, by its name."""


class Freezing(Record):
    """What a recipe changes in its regime.

    `last`: how many layer groups `partial` trains. `open_norms`: norms of frozen groups train too (PATH's attribute
    recipes). `freeze_pos_embed`: the position embedding stays fixed even in `full` (PATH's detection recipes).
    `lora_rank`, `lora_alpha`: of `lora`, whose adaptation counts `lora_alpha / lora_rank` times; `lora_places`: which
    projections it adapts, those of `attention`, of the `mlp` behind it, or both.
    """

    last: Count = 2
    open_norms: bool = False
    freeze_pos_embed: bool = False
    lora_rank: Count = 8
    lora_alpha: Positive = 16.0
    lora_places: Literal["attention", "mlp", "attention,mlp"] = "attention,mlp"

    def said(self, regime: str) -> dict[str, Any]:
        """All that counts in a regime, as JSON has it: options of other regimes are left out of hashes and reports."""
        others = {option for other, options in OPTIONS_OF.items() if other != regime for option in options}
        return self.model_dump(mode="json", exclude=others)
