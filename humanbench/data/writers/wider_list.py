"""Writes detection tables as WIDER Pedestrian 2019: three text files per split, pictures in its folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from humanbench.arrays import Floats
from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.boxes import box_array, detection_row, detection_table, records
from humanbench.data.readers.wider_list import WiderListOptions
from humanbench.data.writers import Save, split_by_split


@split_by_split
def write(card: DatasetCard, root: Path, split: str, table: Table, save: Save) -> Table:
    """Boxes become whole pixels, people before ignored regions. Training pictures go round the official folders."""
    options = WiderListOptions.of(card)
    annotations = root / options.annotations[0]
    annotations.mkdir(parents=True, exist_ok=True)
    folders = [f for f in options.images[split] if f != options.flat]
    files: dict[str, list[str]] = {"list": [], "bbox": [], "ignore": []}
    rows = []
    for number, row in enumerate(records(table)):
        folder = folders[number % len(folders)]
        name = f"{'ad' if folder.startswith('ad') else 'sur'}{number:05d}.jpg"
        path = root / folder / name
        save(row["image"], path)
        ignore = np.asarray(row["ignore"], bool).reshape(-1)
        boxes = np.round(box_array(row["boxes"]))
        people, ignored = boxes[~ignore], boxes[ignore]
        files["list"].append(name)
        files["bbox"].append(_line(name, people))
        if len(ignored):
            files["ignore"].append(_line(name, ignored))
        ordered = np.concatenate([people, ignored])
        rows.append(detection_row(name, path, ordered, np.arange(len(boxes)) >= len(people)))
    for kind, lines in files.items():
        text = "".join(f"{line}\n" for line in lines)
        (annotations / f"{split}_{kind}.txt").write_text(text, encoding="utf-8")
    return detection_table(rows)


def _line(name: str, boxes: Floats) -> str:
    return " ".join([name, *(str(int(v)) for v in boxes.ravel())])
