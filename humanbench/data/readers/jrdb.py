"""JRDB-Pose: one COCO-form file per scene and camera, with image ids that start anew in each."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.readers import annotation_files, first_present, need
from humanbench.data.readers.coco_keypoints import MergedKeypoints, coco_table, merged_table
from humanbench.data.readers.options import BySplit, Choices
from humanbench.data.readers.people import join_tables


class JrdbOptions(MergedKeypoints):
    """The folder of annotation files of each split, the pictures of all; for the writer, the cameras of each split."""

    files: BySplit[str]
    images: Choices
    cameras: BySplit[tuple[str, ...]]


OPTIONS = JrdbOptions


def read(card: DatasetCard, split: str, root: Path) -> Table:
    """People of all scenes and of the split's cameras; an image's id is its path without suffix."""
    options = JrdbOptions.of(card)
    name = options.files[split]
    if not (root / name).is_dir() and (merged := merged_table(card, options, split, root)) is not None:
        return merged
    folder = need(card, root, name)
    files = annotation_files(card, folder, ".json", "of a scene ")
    images = first_present(root, options.images)
    return join_tables([coco_table(card, path, images, image_key=image_path) for path in files])


def image_path(file_name: str) -> str:
    """`image_0/scene/000000` of the image with file name `image_0/scene/000000.jpg`."""
    return str(PurePosixPath(file_name).with_suffix(""))
