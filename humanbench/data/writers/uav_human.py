"""Writes UAV-Human attribute crops: every label in the file name."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.readers.attributes import frame
from humanbench.data.readers.uav_human import GENDER
from humanbench.data.writers import Save, split_by_split
from humanbench.data.writers.attributes import from_codes, one_hot_codes, save_pictures


@split_by_split
def write(card: DatasetCard, root: Path, split: str, table: Table, save: Save) -> Table:
    """Exactly one attribute of each group should hold; rows come back sorted by name."""
    gender_code = {value: code for code, value in GENDER.items()}
    codes = one_hot_codes(card, table)
    male = table[card.labels.attributes[0]].to_numpy(np.int8)
    digit = {g: np.where(c == len(card.labels.groups[g]) - 1, 0, c + 1) for g, c in codes.items()}
    names = [
        f"P{i:03d}S01G{gender_code[int(male[i])]}0B{digit['backpack'][i]}0H{digit['hat'][i]}0"
        f"UC{digit['upper_color'][i]:02d}{digit['upper_style'][i]}000"
        f"LC{digit['lower_color'][i]:02d}{digit['lower_style'][i]}000A031R0_09131758_{i}_bbox.jpg"
        for i in range(len(table))
    ]
    paths = save_pictures(table, root / split, names, save)
    labels = np.concatenate([male[:, None], from_codes(card, codes)], axis=1)
    return frame(card, names, paths, labels).sort_values("id").reset_index(drop=True)
