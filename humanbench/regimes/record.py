"""What a recipe changes in a regime."""

from __future__ import annotations

from humanbench.schema import Count, Record


class Freezing(Record):
    """What a recipe changes in its regime.

    `last`: how many layer groups `partial` trains. `open_norms`: norms of frozen groups train too (PATH's attribute
    recipes). `freeze_pos_embed`: the position embedding stays fixed even in `full` (PATH's detection recipes).
    """

    last: Count = 2
    open_norms: bool = False
    freeze_pos_embed: bool = False
