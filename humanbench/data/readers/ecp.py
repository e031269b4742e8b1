"""EuroCity Persons: a JSON file per image, objects nested (a rider holds the vehicle and co-riders)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from humanbench.cards import DatasetCard
from humanbench.data.boxes import box_array, detection_table
from humanbench.data.readers import need
from humanbench.data.readers.files import load_json
from humanbench.data.readers.options import BySplit, Choices, ReaderOptions
from humanbench.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


class Options(ReaderOptions):
    """The folders of annotations and of pictures of each split, and the identities that are people."""

    labels: BySplit[Choices]
    images: BySplit[Choices]
    person: tuple[str, ...]


def read(card: DatasetCard, split: str, root: Path) -> pd.DataFrame:
    """Table `id, image, boxes, ignore, visible (None), labels, size`, sorted by city and name; the id is the file name.

    `labels` are class indices of the card (the identity). Every identity that is not in `person` is an ignored box,
    also those nested in another object.
    """
    options = Options.of(card)
    labels_folder = need(card, root, *options.labels[split])
    pictures = need(card, root, *options.images[split])
    index = {name: position for position, name in enumerate(card.labels.classes)}
    people = [index[name] for name in options.person]
    rows = []
    for path in sorted(labels_folder.glob("*/*.json")):
        content = load_json(card, path)
        try:
            found = [(index[o["identity"]], _box(o)) for o in _nested(content["children"])]
            size = (int(content["imagewidth"]), int(content["imageheight"]))
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{card.id}: {path}: expected imagewidth, imageheight and children with identity, x0, y0, x1, y1; "
                f"found {type(error).__name__}: {error}"
            ) from error
        labels = np.array([label for label, _ in found], np.int64)
        name = f"{path.stem}.png"
        rows.append(
            {"id": name, "image": str(pictures / path.parent.name / name), "boxes": box_array([b for _, b in found])}
            | {"ignore": ~np.isin(labels, people), "labels": labels, "size": size}
        )
    if not rows:
        raise DataError(f"{card.id}: no <city>/<name>.json file under {labels_folder}")
    return detection_table(rows, ("labels", "size"))


def _nested(children: Any) -> Iterator[Any]:
    """Objects and the objects inside them, parents first."""
    for child in children:
        yield child
        yield from _nested(child.get("children", ()))


def _box(thing: Any) -> list[float]:
    x0, y0, x1, y1 = (float(thing[k]) for k in ("x0", "y0", "x1", "y1"))
    return [x0, y0, x1 - x0, y1 - y0]
