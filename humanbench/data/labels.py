"""Part maps of the parsing datasets as class indices."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from humanbench.cards import DatasetCard
from humanbench.errors import DataError

IGNORE = 255
_SCALED = {"L;2": 85, "L;4": 17}  # what Pillow multiplies grey values of 2 and 4 bits with
_UNUSED = 254  # no dataset has that many classes, so it can stand for "not a value of this dataset" in look-up tables

Map = NDArray[np.uint8]


def load_label(card: DatasetCard, label: str) -> Map:
    """The part map behind a `label` cell: H x W uint8 class indices of the card, 255 = ignore.

    Values stored on disk are turned into class indices by `card.labels.ids` where the card has them. Raises `DataError`
    for a file that is absent, not a label map, or holds a value that is no class.
    """
    from humanbench.data.readers import reader_for, understood

    reader: Any = reader_for(card)
    if hasattr(reader, "label_map"):
        with understood(card, label):
            result: Map = reader.label_map(card, label)
        return result
    return index_png(card, Path(label))


def index_png(card: DatasetCard, path: Path) -> Map:
    """Read a single-channel (or palette) PNG of stored values and map them to class indices."""
    stored = read_index_image(path)
    if card.labels.ids:
        mapped: Map = _table(card)[stored]
        unknown = mapped == _UNUSED
    else:  # stored as they are: nothing to look up
        mapped, unknown = stored, (stored >= len(card.labels.classes)) & (stored != IGNORE)
    if unknown.any():
        value = int(stored[unknown][0])
        raise DataError(f"{path}: holds the value {value}, but {card.id} uses {_values(card)} and 255 for ignore")
    return mapped


def stored_values(card: DatasetCard, classes: Map) -> Map:
    """The inverse of `index_png`'s mapping: class indices (255 = ignore) as the values stored on disk."""
    if not card.labels.ids:
        return classes
    table = np.full(256, IGNORE, np.uint8)
    table[: len(card.labels.ids)] = card.labels.ids
    return table[classes]


def read_index_image(path: Path) -> Map:
    """An 8-bit single-channel PNG (grey or palette) as stored: H x W uint8; a `DataError` for anything else.

    Palette images give indices, not colours; grey images of fewer bits give the values in the file.
    """
    try:
        with path.open("rb") as file:
            return decode_index_image(file, str(path))
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such label map") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error


def decode_index_image(file: IO[bytes], name: str) -> Map:
    """`read_index_image` of an open file, which errors call `name`."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(file) as image:
            if image.format != "PNG":
                raise DataError(f"{name}: a label map is a PNG, this is {image.format}, which may have changed values")
            if image.mode not in ("1", "L", "P"):
                raise DataError(f"{name}: a label map is an 8-bit single-channel image, this one has mode {image.mode}")
            scale = _SCALED.get(str(image.tile[0].args)) if image.tile else None
            pixels = np.array(image, np.uint8)
    except UnidentifiedImageError as error:  # its text holds the address of the open file
        raise DataError(f"{name}: not a readable image (it is empty, or no picture)") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{name}: not a readable image ({error})") from error
    return pixels // scale if scale else pixels


def _table(card: DatasetCard) -> Map:
    """Class index by stored value of a card with `ids`, `_UNUSED` where it has no such value."""
    table = np.full(256, _UNUSED, np.uint8)
    table[list(card.labels.ids)] = np.arange(len(card.labels.ids))
    table[IGNORE] = IGNORE
    return table


def _values(card: DatasetCard) -> str:
    return ", ".join(map(str, card.labels.ids)) if card.labels.ids else f"0..{len(card.labels.classes) - 1}"
