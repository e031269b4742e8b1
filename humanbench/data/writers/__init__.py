"""Writers: the counterpart of each reader, writing sample tables in a dataset's official layout and annotation format.

They make the procedural copies of the datasets and the round trips of the tests. A writer module has the name of its
reader module and offers

    def write(card: DatasetCard, root: Path, tables: Mapping[str, pandas.DataFrame], save: Save) -> dict[str, DataFrame]

`root` is an empty folder that stands for the archive's top folder. `tables` has one table per split with the task's
columns (`humanbench.data.samples`); `image` holds a hashable key of the picture (equal keys are one picture), `size`
its (width, height), and `label` of parsing an H x W uint8 array of class indices. Optional extra columns are named in
each writer's docstring. The result is the tables as the reader must return them: final `id` and `image` (absolute
path), values as the format can hold them (an integer format rounds). Files have the same bytes whenever and wherever
they are written.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from humanbench.errors import CardError

if TYPE_CHECKING:
    import pandas as pd

    from humanbench.cards import DatasetCard

Save = Callable[[Any, Path], None]
"""`save(key, path)` writes the picture `key` to `path` in the format its suffix names, making folders as needed."""


class Writer(Protocol):
    """What a writer module offers."""

    def write(
        self, card: DatasetCard, root: Path, tables: Mapping[str, pd.DataFrame], save: Save
    ) -> dict[str, pd.DataFrame]:
        """Write the tables in the official form; the tables as the reader must return them."""


def writer_for(card: DatasetCard) -> Writer:
    """The module that writes this card's format."""
    try:
        return cast(Writer, importlib.import_module(f"humanbench.data.writers.{card.reader.format}"))
    except ModuleNotFoundError as error:
        raise CardError(f"{card.id}: the format {card.reader.format!r} has no writer") from error
