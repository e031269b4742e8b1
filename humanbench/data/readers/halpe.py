"""Halpe Full-Body: a COCO-form file per split with 136 keypoints, of which the card keeps the body's."""

from __future__ import annotations

from pathlib import Path

from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.readers.coco_keypoints import CocoKeypointsOptions
from humanbench.data.readers.coco_keypoints import read as read_coco

OPTIONS = CocoKeypointsOptions


def read(card: DatasetCard, split: str, root: Path) -> Table:
    """All annotated people; the filtered file of the paper's toolchain (20 keypoints) is read as well."""
    return read_coco(card, split, root)
