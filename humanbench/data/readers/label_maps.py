"""Parsing datasets that are a list of ids, a folder of images and a folder of index PNGs (LIP, CIHP, ATR, VIP ...).

The card's reader options say where things are; every path is relative to the dataset's top folder, and of several the
first that exists is taken, so different releases of one dataset can be described together:

    advice = "..."             # what helps when something is missing; ends the error message
    line = "rgb/{id}.png"      # what a line of the id lists is; "{id}" without it
    [reader.options.splits.train]
    ids = ["train_id.txt"]     # text files of one id per line; none: every label in the folder
    except_ids = []            # lists of ids that are not in the split (instead of `ids`: all labels but those)
    folder_will_do = false     # without the list, every label in the folder is the split, if the folder is its own
    images = ["images/{id}.jpg"]
    labels = ["labels/{id}.png"]

Images are never opened nor looked at one by one: each folder is listed once, and an id without image or label is an
error.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.images import absent
from humanbench.data.readers import first_file
from humanbench.data.readers.files import read_lines
from humanbench.data.readers.options import BySplit, Choices, ReaderOptions
from humanbench.errors import DataError
from humanbench.leftovers import is_leftover
from humanbench.schema import Record

ID = "{id}"


class Where(Record):
    """Where one split is; see the module."""

    ids: Choices = ()
    except_ids: Choices = ()
    folder_will_do: bool = False
    images: Choices
    labels: Choices


class LabelMapsOptions(ReaderOptions):
    """The reader options of a card; `file_name` and `palette` are for the writer (see there)."""

    advice: str = ""
    line: str = ID
    splits: BySplit[Where]
    file_name: str
    palette: bool = False


OPTIONS = LabelMapsOptions


def read(card: DatasetCard, split: str, root: Path) -> Table:
    """Table `id, image, label` in the order of the id list (of the file names where there is none)."""
    return table(card, LabelMapsOptions.of(card), split, root)


def table(card: DatasetCard, options: LabelMapsOptions, split: str, root: Path) -> Table:
    """`read` with the options already taken from the card."""
    import pandas as pd

    where = options.splits[split]
    labels = _pattern(card, root, where.labels, "labels", options)
    ids = listed_ids(card, root, options, split)
    if ids is None:
        below_root = labels.removeprefix(f"{root.as_posix()}/")
        shared = any(below_root in other.labels for s, other in options.splits.items() if s != split)
        if where.ids and (shared or not where.folder_will_do):
            wanted = " or ".join(where.ids + where.except_ids)
            raise complaint(card, f"no id list: {wanted} not found under {root}", options)
        ids = _stems(labels)
    if not ids:
        raise complaint(card, f"split {split!r} names no image", options)
    images = image_paths(card, options, split, root, ids)
    samples = pd.DataFrame({"id": ids, "image": images, "label": _filled(card, options, "label map", labels, ids)})
    samples.attrs["seen"] = True
    return samples


def listed_ids(card: DatasetCard, root: Path, options: LabelMapsOptions, split: str) -> list[str] | None:
    """The ids of a split from its list (or as the rest of another list); None where no list file is there."""
    where = options.splits[split]
    if path := first_file(root, where.ids):
        return _lines(card, path, options.line)
    if path := first_file(root, where.except_ids):
        unwanted = set(_lines(card, path, options.line))
        return [i for i in _stems(_pattern(card, root, where.labels, "labels", options)) if i not in unwanted]
    return None


def image_paths(card: DatasetCard, options: LabelMapsOptions, split: str, root: Path, ids: list[str]) -> list[str]:
    """The images of these ids; a `DataError` when one is not there."""
    images = _pattern(card, root, options.splits[split].images, "images", options)
    return _filled(card, options, "image", images, ids)


def complaint(card: DatasetCard, problem: str, options: LabelMapsOptions) -> DataError:
    """The error for something that is not there, with the card's advice."""
    show = f"`humanbench datasets show {card.id}` prints the expected layout"
    return DataError(". ".join(part for part in (f"{card.id}: {problem}", options.advice.rstrip("."), show) if part))


def _pattern(card: DatasetCard, root: Path, choices: Iterable[str], what: str, options: LabelMapsOptions) -> str:
    """The first of these path patterns whose folder exists, as an absolute one."""
    for choice in choices:
        if (root / choice.partition(ID)[0]).is_dir():
            return f"{root.as_posix()}/{choice}"
    wanted = " or ".join(c.partition(ID)[0] for c in choices)
    raise complaint(card, f"no folder of {what}: {wanted} not found under {root}", options)


def _filled(card: DatasetCard, options: LabelMapsOptions, what: str, pattern: str, ids: list[str]) -> list[str]:
    """The paths of these ids, all of which must be in the listing of their folder."""
    paths = [pattern.replace(ID, i) for i in ids]
    if lost := absent(paths):
        raise complaint(card, f"{len(lost)} of {len(ids)} ids have no {what}, the first lacks {lost[0]}", options)
    return paths


def _lines(card: DatasetCard, path: Path, form: str) -> list[str]:
    ids = []
    before, _, after = form.partition(ID)
    for number, line in enumerate(read_lines(card, path), 1):
        text = line.strip()
        if not text:
            continue
        if not (text.startswith(before) and text.endswith(after) and len(text) > len(before) + len(after)):
            raise DataError(f"{path}, line {number}: {text!r} is not of the form {form}")
        ids.append(text[len(before) : len(text) - len(after)])
    return ids


def _stems(pattern: str) -> list[str]:
    folder, _, suffix = pattern.partition(ID)
    return sorted(
        name.removesuffix(suffix) for name in os.listdir(folder) if name.endswith(suffix) and not is_leftover(name)
    )
