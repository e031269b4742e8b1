"""DeepFashion2: one JSON per image, whose items carry polygons (or a folder of maps drawn from them).

Reader options are those of `label_maps`; a label is the JSON (`annos/000001.json`), or a PNG where a toolchain has
drawn maps into `seg` and the JSONs are gone.
"""

from __future__ import annotations

from pathlib import Path

from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.labels import Map, index_png
from humanbench.data.readers import label_maps
from humanbench.data.readers.files import converted, load_json
from humanbench.data.readers.label_maps import LabelMapsOptions
from humanbench.data.readers.polygons import paint, shape
from humanbench.errors import DataError

OPTIONS = LabelMapsOptions


def read(card: DatasetCard, split: str, root: Path) -> Table:
    """Table `id, image, label`; the id is the image's stem, unique within its split."""
    table = label_maps.read(card, split, root)
    drawn = Path(table["label"].iloc[0])
    return converted(card, split, table, drawn.parent, whole=True) if drawn.suffix == ".png" else table


def label_map(card: DatasetCard, label: str) -> Map:
    """The items of an image drawn as class indices; the image is opened for its size, which the JSON does not have."""
    from PIL import Image

    path = Path(label)
    if path.suffix == ".png":
        return index_png(card, path)
    annotation = load_json(card, path)
    if not isinstance(annotation, dict):
        raise DataError(f"{path}: a DeepFashion2 annotation is an object with source, pair_id, item1, item2 ...")
    picture = path.parent.parent / "image" / f"{path.stem}.jpg"
    try:
        with Image.open(picture) as image:
            size = image.size
    except OSError as error:
        raise DataError(f"{picture}: not a readable image, and its size is needed for {path.name} ({error})") from error
    items = [name for name in annotation if name.startswith("item")]
    return paint(size, [shape(card, annotation[name], size, f"{path}, {name}") for name in items])
