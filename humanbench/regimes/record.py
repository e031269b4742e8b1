"""What a recipe changes in a regime."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import field_validator

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
    lora_places: tuple[Literal["attention", "mlp"], ...] = ("attention", "mlp")

    def said(self, regime: str) -> dict[str, Any]:
        """All that counts in a regime, as JSON has it: options of other regimes are left out of hashes and reports."""
        others = {option for other, options in OPTIONS_OF.items() if other != regime for option in options}
        return self.model_dump(mode="json", exclude=others)

    @field_validator("lora_places", mode="before")
    @classmethod
    def _places(cls, given: Any) -> Any:
        """One word, or several with commas, as the command line gives them."""
        return tuple(word.strip() for word in given.split(",")) if isinstance(given, str) else given

    @field_validator("lora_places")
    @classmethod
    def _some_once(cls, places: tuple[str, ...]) -> tuple[str, ...]:
        if not places or len(set(places)) < len(places):
            raise ValueError("names attention, mlp or both, each once")
        return tuple(sorted(places))
