"""ModaNet: one COCO instance JSON with polygons, and the photographs of Paper Doll it names.

A label is `<json>#<image id>`. Reader options are those of `label_maps`, with `annotations`: the JSON's places by
split. Where there is no JSON but a folder of maps drawn from it, those are read. An id list, if there is one, chooses
among the images of the JSON, as not everybody gets hold of all photographs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from humanbench.arrays import whole_number
from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.labels import Map, index_png
from humanbench.data.readers import first_file, label_maps
from humanbench.data.readers.files import converted, existing, load_json
from humanbench.data.readers.options import BySplit, Choices
from humanbench.data.readers.polygons import Shape, paint, shape
from humanbench.errors import DataError


class ModanetOptions(label_maps.LabelMapsOptions):
    """The reader options of a card."""

    annotations: BySplit[Choices]


OPTIONS = ModanetOptions


@dataclass(frozen=True)
class Photo:
    """An image of the JSON: its stem, (width, height) and shapes."""

    stem: str
    size: tuple[int, int]
    shapes: list[Shape]


def read(card: DatasetCard, split: str, root: Path) -> Table:
    """Table `id, image, label` of the images with at least one polygon, in the order of the list or the JSON."""
    import pandas as pd

    options = ModanetOptions.of(card)
    choices = options.annotations[split]
    path = first_file(root, choices)
    if path is None and not any((root / p.partition(label_maps.ID)[0]).is_dir() for p in options.splits[split].labels):
        raise label_maps.complaint(card, f"{' or '.join(choices)} not found under {root}", options)
    if path is None:
        table = label_maps.table(card, options, split, root)
        return converted(card, split, table, Path(table["label"].iloc[0]).parent, whole=True)
    label_of = {photo.stem: f"{path}#{number}" for number, photo in _photos(card, path).items() if photo.shapes}
    ids = label_maps.listed_ids(card, root, options, split) or list(label_of)
    unknown = [i for i in ids if i not in label_of]
    if unknown:
        raise DataError(f"{card.id}: the list names {unknown[0]!r}, of which {path} has no polygons")
    images = label_maps.image_paths(card, options, split, root, ids)
    return pd.DataFrame({"id": ids, "image": images, "label": [label_of[i] for i in ids]})


def label_map(card: DatasetCard, label: str) -> Map:
    """The polygons of an image drawn as class indices."""
    name, _, number = label.rpartition("#")
    if not name:
        return index_png(card, Path(label))
    photo = _photos(card, Path(name)).get(number)
    if photo is None:
        raise DataError(f"{name}: has no image with the id {number}")
    return paint(photo.size, photo.shapes)


_cache: dict[Path, tuple[int, dict[str, Photo]]] = {}


def _photos(card: DatasetCard, path: Path) -> dict[str, Photo]:
    """Images by id; the file is parsed once per process (and again when it changes)."""
    changed = existing(card, path).stat().st_mtime_ns
    if path not in _cache or _cache[path][0] != changed:
        _cache[path] = (changed, _parse(card, path))
    return _cache[path][1]


def _parse(card: DatasetCard, path: Path) -> dict[str, Photo]:
    content = load_json(card, path)
    try:
        images, annotations = content["images"], content["annotations"]
        photos = {
            str(i["id"]): Photo(Path(i["file_name"]).stem, (whole_number(i["width"]), whole_number(i["height"])), [])
            for i in images
        }
        owners = [str(a["image_id"]) for a in annotations]
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{path}: not a COCO instance file with images (id, width, height, file_name) and annotations (image_id, "
            f"category_id, segmentation): {type(error).__name__} {error}"
        ) from error
    for position, (owner, annotation) in enumerate(zip(owners, annotations, strict=True)):
        if owner not in photos:
            raise DataError(f"{path}: annotation {position} belongs to image {owner}, which the file does not list")
        drawn = shape(card, annotation, photos[owner].size, f"{path}, annotation {position}")
        if drawn[1]:
            photos[owner].shapes.append(drawn)
    return photos
