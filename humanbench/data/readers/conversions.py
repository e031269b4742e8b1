"""Tables that come from a toolchain's conversion in place of the official files: said, and counted with care."""

from __future__ import annotations

from pathlib import Path

from humanbench.cards import DatasetCard
from humanbench.data import Table


def converted(card: DatasetCard, split: str, table: Table, path: Path, whole: bool = False) -> Table:
    """The table with a remark that names the conversion.

    Unless the conversion is known to be `whole`, `attrs["conversion"]` is true: the counts of a card are those of the
    official files, so another one is no failure.
    """
    rest = "" if whole else "; images may have been left out of it"
    remark = f"{card.id} {split}: the annotations are those of {path}, a conversion{rest}"
    table.attrs["remarks"] = [remark, *table.attrs.get("remarks", ())]
    if not whole:
        table.attrs["conversion"] = True
    return table
