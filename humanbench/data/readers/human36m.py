"""Human3.6M 2D pose in the COCO-form files of common toolchains, with every fifth frame as mmpose extracts them."""

from __future__ import annotations

from pathlib import Path

from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.readers import first_present, need
from humanbench.data.readers.coco_keypoints import Keypoints, coco_table
from humanbench.data.readers.options import BySplit, Choices


class Human36mOptions(Keypoints):
    """`images` is the folder of all subjects; `subjects` names those of each split, for the writer."""

    files: BySplit[Choices]
    images: Choices
    subjects: BySplit[tuple[str, ...]]


OPTIONS = Human36mOptions


def read(card: DatasetCard, split: str, root: Path) -> Table:
    """One person per image. The names in the file's `categories` are in another order than its numbers: not used."""
    options = Human36mOptions.of(card)
    return coco_table(card, need(card, root, *options.files[split]), first_present(root, options.images), place)


def place(file_name: str) -> str:
    """The image below `images/`: files that state the bare name mean the folders of subject and sequence.

    >>> place("S1_Directions_1.54138969_000001.jpg")
    'S1/S1_Directions_1.54138969/S1_Directions_1.54138969_000001.jpg'
    """
    if "/" in file_name:
        return file_name
    return f"{file_name.split('_')[0]}/{file_name.rpartition('_')[0]}/{file_name}"
