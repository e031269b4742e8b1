"""PoseTrack18: one COCO-form file per video; the merge of OpenMMLab (one file per split) holds the same people."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from humanbench.cards import DatasetCard
from humanbench.data.readers import need
from humanbench.data.readers.coco_keypoints import coco_table, merged_table
from humanbench.data.readers.people import join_tables
from humanbench.errors import DataError


def read(card: DatasetCard, split: str, root: Path) -> pd.DataFrame:
    """All annotated people; `file_name` is relative to `root`; images whose `is_labeled` is false are not listed."""
    folders = card.reader.options["files"][split]
    if not any((root / name).is_dir() for name in folders):
        merged = merged_table(card, split, root)
        if merged is not None:
            return merged
    folder = need(card, root, *folders)
    files = sorted(folder.glob("*.json"))
    if not files:
        raise DataError(f"{card.id}: no .json file of a video in {folder}")
    return join_tables([coco_table(card, path, root) for path in files])
