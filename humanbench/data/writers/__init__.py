"""Writers: the counterpart of each reader, writing sample tables in a dataset's official layout and annotation format.

They make the procedural copies of the datasets and the round trips of the tests. A writer module has the name of its
reader module; a plug-in's reader (a card's `reader.format` with a dot in it) is its own writer. It offers

    def write(card: DatasetCard, root: Path, tables: dict[str, pandas.DataFrame], save: Save) -> dict[str, DataFrame]

`root` is an empty folder that stands for the archive's top folder. `tables` has one table per split with the task's
columns (`humanbench.data.samples`); `image` holds a hashable key of the picture (equal keys are one picture), `size`
its (width, height), and `label` of parsing an H x W uint8 array of class indices. Optional extra columns are named in
each writer's docstring. The result is the tables as the reader must return them: final `id` and `image` (absolute
path), values as the format can hold them (an integer format rounds). Files have the same bytes whenever and wherever
they are written.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from humanbench.data import Table
from humanbench.data.readers import format_module
from humanbench.errors import CardError

if TYPE_CHECKING:
    from humanbench.cards import DatasetCard

Tables = dict[str, Table]
"""Tables by split."""

Save = Callable[[Any, Path], None]
"""`save(key, path)` writes the picture `key` to `path` in the format its suffix names, making folders as needed."""

Write = Callable[["DatasetCard", Path, Tables, Save], Tables]


class WriterModule(Protocol):
    """What a writer module offers."""

    def write(self, card: DatasetCard, root: Path, tables: Tables, save: Save) -> Tables:
        """Write the tables in the official form; the tables as the reader must return them."""


def split_by_split(write: Callable[[DatasetCard, Path, str, Table, Save], Table]) -> Write:
    """The `write` of a format whose splits have nothing in common, from what writes one of them."""

    def write_all(card: DatasetCard, root: Path, tables: Tables, save: Save) -> Tables:
        return {split: write(card, root, split, table, save) for split, table in tables.items()}

    write_all.__doc__ = write.__doc__
    return write_all


def writer_for(card: DatasetCard) -> WriterModule:
    """The module that writes this card's format: one of ours, or the plug-in that reads it and offers `write` too."""
    module = format_module(card, __name__, "writer")
    if module is None or not hasattr(module, "write"):
        reason = f": the module {module.__name__} offers no `write`" if module else ""
        raise CardError(f"{card.id}: the format {card.reader.format!r} has no writer{reason}")
    return cast(WriterModule, module)
