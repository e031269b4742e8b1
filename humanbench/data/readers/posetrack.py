"""PoseTrack18: one COCO-form file per video; the merge of OpenMMLab (one file per split) holds the same people."""

from __future__ import annotations

from pathlib import Path

from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.readers import annotation_files, need
from humanbench.data.readers.coco_keypoints import MergedKeypoints, coco_table, merged_table
from humanbench.data.readers.options import BySplit, Choices
from humanbench.data.readers.people import join_tables


class PosetrackOptions(MergedKeypoints):
    """The folders of annotation files of each split."""

    files: BySplit[Choices]


OPTIONS = PosetrackOptions


def read(card: DatasetCard, split: str, root: Path) -> Table:
    """All annotated people; `file_name` is relative to `root`; images whose `is_labeled` is false are not listed."""
    folders = PosetrackOptions.of(card).files[split]
    official = any((root / name).is_dir() for name in folders)
    if not official and (merged := merged_table(card, PosetrackOptions.of(card), split, root)) is not None:
        return merged
    folder = need(card, root, *folders)
    files = annotation_files(card, folder, ".json", "of a video ")
    return join_tables([coco_table(card, path, root) for path in files])
