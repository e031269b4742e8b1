"""Part maps of the parsing datasets as class indices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from humanbench.cards import DatasetCard
from humanbench.errors import DataError

IGNORE = 255


def load_label(card: DatasetCard, label: str) -> NDArray[np.uint8]:
    """The part map behind a `label` cell: H x W uint8 class indices of the card, 255 = ignore.

    Values stored on disk are turned into class indices by `card.labels.ids` where the card has them.
    """
    from humanbench.data.readers import reader_for

    reader: Any = reader_for(card)
    if hasattr(reader, "label_map"):
        result: NDArray[np.uint8] = reader.label_map(card, label)
        return result
    return index_png(card, Path(label))


def index_png(card: DatasetCard, path: Path) -> NDArray[np.uint8]:
    """Read a single-channel (or palette) PNG of stored values and map them to class indices."""
    stored = read_index_image(path)
    if not card.labels.ids:
        allowed = np.zeros(256, bool)
        allowed[: len(card.labels.classes)] = True
        allowed[IGNORE] = True
        if not allowed[stored].all():
            bad = int(stored[~allowed[stored]][0])
            raise DataError(
                f"{path}: holds the value {bad}, but {card.id} has classes 0..{len(card.labels.classes) - 1}"
            )
        return stored
    table = np.full(256, -1, np.int16)
    table[IGNORE] = IGNORE
    table[list(card.labels.ids)] = np.arange(len(card.labels.ids))
    mapped = table[stored]
    if (mapped < 0).any():
        raise DataError(f"{path}: holds the value {int(stored[mapped < 0][0])}, which {card.id} does not use")
    return mapped.astype(np.uint8)


def read_index_image(path: Path) -> NDArray[np.uint8]:
    """An 8-bit single-channel image (mode L or P) as stored: H x W uint8; a `DataError` for anything else."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            if image.mode not in ("L", "P"):
                raise DataError(f"{path}: a label map is an 8-bit single-channel image, this one has mode {image.mode}")
            return np.array(image, np.uint8)
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such label map") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{path}: not a readable image ({error})") from error
