"""Writes parsing tables as a list of ids, a folder of images and a folder of index PNGs.

The card's reader options say where (the first place named is the official one). `file_name` is the form of an id:
`{number}` counts all images of the dataset and stands wherever the official names have a number. `palette` writes
palette PNGs, for datasets distributed so. A table may bring ids of its own in the column `id`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from humanbench.cards import DatasetCard
from humanbench.data.labels import Map, stored_values
from humanbench.data.readers.label_maps import ID, LabelMapsOptions
from humanbench.data.writers import Save, Tables


def write(card: DatasetCard, root: Path, tables: Tables, save: Save) -> Tables:
    """One image and one map per row, and the id lists; rows in the order the reader returns them."""
    options = LabelMapsOptions.of(card)
    written: Tables = {}
    number = 0
    for split, table in tables.items():
        where = options.splits[split]
        rows = []
        row: Any
        for row in table.itertuples(index=False):
            name = getattr(row, "id", None) or options.file_name.format(number=number)
            image, label = (root / where.images[0].replace(ID, name), root / where.labels[0].replace(ID, name))
            save(row.image, image)
            save_index_png(stored_values(card, row.label), label, options.palette)
            rows.append((name, str(image), row.label))
            number += 1
        if where.ids and not where.except_ids:
            _write_list(root / where.ids[0], [options.line.replace(ID, name) for name, *_ in rows])
        else:
            rows.sort(key=lambda r: r[0])
        written[split] = pd.DataFrame(rows, columns=["id", "image", "label"])
    return written


def save_index_png(values: Map, path: Path, palette: bool) -> None:
    """Write H x W stored values as an 8-bit grey or palette PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(values)
    if palette:
        image = Image.frombytes("P", image.size, values.tobytes())
        image.putpalette([channel for value in range(256) for channel in _jet(value / 255)])
    image.save(path)


def _jet(position: float) -> tuple[int, int, int]:
    """The jet colour map: blue, cyan, yellow, red."""
    red, green, blue = (max(0.0, min(1.0, 1.5 - abs(4 * position - centre))) for centre in (3, 2, 1))
    return int(255 * red), int(255 * green), int(255 * blue)


def _write_list(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
