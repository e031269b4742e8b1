"""CityPersons: a MATLAB cell with one struct per Cityscapes image, holding city, image name and an N x 10 matrix.

Cityscapes distributes the same as a JSON file per image, in the folder `gtBboxCityPersons`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from humanbench.arrays import whole_number
from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.boxes import box_array, detection_row, detection_table
from humanbench.data.readers import need
from humanbench.data.readers.coco_boxes import last_part, merged_boxes
from humanbench.data.readers.files import expecting, load_json, load_mat
from humanbench.data.readers.options import BySplit, Choices, MergedOptions
from humanbench.errors import DataError
from humanbench.leftovers import files_in

JSON = "_gtBboxCityPersons.json"
COLUMNS = 10  # class, x, y, w, h, instance id, and the visible box


class CitypersonsOptions(MergedOptions):
    """The annotation file of each split, its variable, its folder of cities, and the classes that are people.

    `folders` are those of the JSON files, in which the classes are called `names`.
    """

    files: BySplit[Choices]
    images: BySplit[Choices]
    variables: BySplit[str]
    folders: BySplit[Choices]
    names: tuple[str, ...]
    person: tuple[str, ...]


OPTIONS = CitypersonsOptions


def read(card: DatasetCard, split: str, root: Path) -> Table:
    """Table `id, image, boxes, ignore, visible (M x 4), labels`; the id is the image's file name.

    `labels` are class indices of the card; boxes of a class that is not in `person` are ignored. Matrices are stored
    as small unsigned integers (they would overflow in sums), and come out as floats.
    """
    options = CitypersonsOptions.of(card)
    places = (*options.files[split], *options.folders[split])
    official = any((root / place).exists() for place in places)
    if not official and (merged := merged_boxes(card, options, split, root, last_part)) is not None:
        return merged
    pictures = need(card, root, *options.images[split])
    path = need(card, root, *places)
    if path.is_dir():
        return _from_json(card, path, pictures)
    variable = options.variables[split]
    content = load_mat(card, path)
    if variable not in content:
        raise DataError(f"{card.id}: {path} has no variable {variable}; it has {', '.join(content) or 'none'}")
    index = {stored: position for position, stored in enumerate(card.labels.ids)}
    people = [card.labels.classes.index(name) for name in options.person]
    rows = []
    for number, cell in enumerate(content[variable].ravel(), start=1):
        city, name, matrix = _entry(card, path, number, cell)
        classes = matrix[:, 0].astype(np.int64)
        unknown = set(classes.tolist()) - set(index)
        if unknown:
            raise DataError(f"{card.id}: {path}, cell {number} ({name}): class {min(unknown)} is not in {list(index)}")
        labels = np.array([index[c] for c in classes.tolist()], np.int64)
        boxes, visible, ignore = matrix[:, 1:5], matrix[:, 6:10], ~np.isin(labels, people)
        rows.append(detection_row(name, pictures / city / name, boxes, ignore, visible=visible, labels=labels))
    return detection_table(rows, ("labels",))


def _from_json(card: DatasetCard, folder: Path, pictures: Path) -> Table:
    """The same from `<city>/<city>_000000_000019_gtBboxCityPersons.json`: objects with label, bbox and bboxVis."""
    options = CitypersonsOptions.of(card)
    index = {name: position for position, name in enumerate(options.names)}
    people = [card.labels.classes.index(name) for name in options.person]
    rows = []
    for path in files_in(folder, f"*/*{JSON}"):
        content = load_json(card, path)
        expected = f"imgWidth, imgHeight and objects with bbox, bboxVis and a label of {', '.join(index)}"
        with expecting(f"{card.id}: {path}: expected {expected}; found "):
            labels = np.array([index[thing["label"]] for thing in content["objects"]], np.int64)
            boxes, visible = (box_array([thing[k] for thing in content["objects"]]) for k in ("bbox", "bboxVis"))
            size = (whole_number(content["imgWidth"]), whole_number(content["imgHeight"]))
        name = f"{path.name.removesuffix(JSON)}_leftImg8bit.png"
        picture, ignore = pictures / path.parent.name / name, ~np.isin(labels, people)
        rows.append(detection_row(name, picture, boxes, ignore, visible=visible, labels=labels, size=size))
    if not rows:
        raise DataError(f"{card.id}: no <city>/<name>{JSON} file under {folder}")
    return detection_table(rows, ("labels", "size"))


def _entry(card: DatasetCard, path: Path, number: int, cell: Any) -> tuple[str, str, Any]:
    expected = f"a struct of cityname, im_name and bbs (N x {COLUMNS})"
    with expecting(f"{card.id}: {path}, cell {number}: expected {expected}, found "):
        entry = cell[0, 0]
        matrix = np.asarray(entry["bbs"], np.float64)
        matrix = matrix.reshape(-1, COLUMNS) if matrix.size else np.zeros((0, COLUMNS))
        return str(entry["cityname"][0]), str(entry["im_name"][0]), matrix
