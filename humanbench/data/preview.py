"""Contact sheets: samples with their labels drawn, for a person to see that they are right."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageColor

from humanbench.cards import DatasetCard
from humanbench.data import canvas
from humanbench.data.boxes import visible_boxes
from humanbench.data.canvas import Box, Color, LegendKey, Tile
from humanbench.data.labels import IGNORE, Map, load_label
from humanbench.data.samples import load_samples
from humanbench.errors import DataError

CELL = 340
"""Width and height of a picture on the sheet."""

Random = np.random.Generator
Sheet = tuple[list[Tile], int, list[LegendKey]]
"""Tiles, how many stand in a row, and the legend."""


def preview_table(
    card: DatasetCard,
    split: str | None = None,
    data_root: str | os.PathLike[str] | None = None,
    subset: str | os.PathLike[str] | None = None,
) -> pd.DataFrame:
    """The sample table to draw from: the named split, else the first whose labels are public.

    Of a re-identification dataset with query and gallery, both are taken unless a split is named; the column `role`
    tells them apart. Raises as `load_samples` does.
    """
    if split is None and card.task == "reid" and card.evaluation and set(card.evaluation.test) == {"query", "gallery"}:
        parts = [load_samples(card, s, data_root, subset).assign(role=s) for s in ("query", "gallery")]
        table = pd.concat(parts, ignore_index=True)
        table.attrs = parts[0].attrs | {"split": "query and gallery"}
        return table
    public = [name for name, described in card.splits.items() if described.labels != "withheld"]
    return load_samples(card, split or public[0], data_root, subset)


def contact_sheet(
    card: DatasetCard, table: pd.DataFrame, columns: int = 4, rows: int = 4, seed: int = 0
) -> Image.Image:
    """A sheet of `columns` x `rows` samples of a table, drawn at random from `seed`, with labels and a legend.

    Shown are boxes (to be ignored: dashed), skeletons (hidden joints: rings), numbered part maps, heads and their
    count, the attributes present, or a query per row with images of the gallery. Raises `DataError` for an empty table
    and for an image or label map that cannot be read.
    """
    if not len(table):
        raise DataError(f"{card.id}: there is no sample to draw")
    tiles, across, legend = SHEETS[card.task](card, table, columns, rows, np.random.default_rng(seed))
    if not tiles:
        raise DataError(f"{card.id}: none of the {len(table)} samples has a label to draw")
    about = [card.name, str(table.attrs.get("split", "")), f"{len(table):,} samples"]
    about += [f"subset {table.attrs['subset']}"] if table.attrs.get("subset") else []
    about += ["synthetic"] if table.attrs.get("synthetic") else []
    return canvas.sheet(" | ".join(part for part in about if part), tiles, across, legend)


def _records(table: pd.DataFrame, rng: Random) -> Iterator[dict[str, Any]]:
    """Rows in random order."""
    for position in rng.permutation(len(table)):
        yield {str(k): v for k, v in table.iloc[int(position)].items()}


def around(boxes: Sequence[Any], points: Sequence[Any] = ()) -> Box | None:
    """A crop that holds these boxes [x, y, w, h] and points with a margin, so that small people can be seen."""
    corners = [(b[0], b[1]) for b in boxes] + [(b[0] + b[2], b[1] + b[3]) for b in boxes] + list(points)
    xy = np.array(corners, float).reshape(-1, 2)
    xy = xy[np.isfinite(xy).all(axis=1)]
    if not len(xy):
        return None
    low, high = xy.min(axis=0), xy.max(axis=0)
    margin = 0.12 * float((high - low).max()) + 8
    return (low[0] - margin, low[1] - margin, high[0] + margin, high[1] + margin)


def _pose(card: DatasetCard, table: pd.DataFrame, columns: int, rows: int, rng: Random) -> Sheet:
    """Images with everybody in them: skeletons by side, hidden joints as rings."""
    tiles: list[Tile] = []
    images: dict[str, None] = {}
    for row in _records(table, rng):
        if len(images) == columns * rows:
            break
        if (np.asarray(row["keypoints"])[:, 2] > 0).any():
            images[row["image"]] = None
    for path in images:
        people = [{str(k): v for k, v in p.items()} for p in table[table["image"] == path].to_dict("records")]
        joints = [np.asarray(p["keypoints"], float) for p in people]
        seen = [xy for person in joints for xy in person[person[:, 2] > 0, :2]]
        crop = around([p["bbox"] for p in people if not p["iscrowd"]], seen)
        caption = f"{PurePath(path).name}  {len(people)} annotated"
        tile = Tile(canvas.picture(path), CELL, CELL, caption, crop)
        for person, keypoints in zip(people, joints, strict=True):
            tile.box(
                person["bbox"], canvas.VERMILION if person["iscrowd"] else canvas.PAPER, 1, bool(person["iscrowd"])
            )
            draw_skeleton(card, tile, keypoints, float(np.sqrt(np.prod(person["bbox"][2:]))))
        tiles.append(tile)
    legend = [
        LegendKey(canvas.ORANGE, "left of the person"),
        LegendKey(canvas.SKY, "right of the person"),
        LegendKey(canvas.GREEN, "middle"),
        LegendKey(canvas.INK, "visible joint", "dot"),
        LegendKey(canvas.INK, "labelled, hidden joint", "ring"),
        LegendKey(canvas.VERMILION, "crowd, ignored", "dashed"),
    ]
    return tiles, columns, legend


def side_color(name: str) -> Color:
    """Colour of a keypoint by the side its name tells: left, right, or neither."""
    words = name.lower().replace("-", "_").replace(" ", "_").split("_")
    if "left" in words or words[0] == "l":
        return canvas.ORANGE
    return canvas.SKY if "right" in words or words[0] == "r" else canvas.GREEN


def draw_skeleton(card: DatasetCard, tile: Tile, keypoints: NDArray[np.float64], size: float) -> None:
    radius = float(np.clip(size * tile.scale / 60, 1.5, 4))  # a person in the distance shall not vanish under dots
    colors = [side_color(name) for name in card.labels.keypoints]
    for start, end in card.labels.skeleton:
        if keypoints[start, 2] > 0 and keypoints[end, 2] > 0:
            color = colors[start] if colors[start] == colors[end] else canvas.GREEN
            tile.line(keypoints[start, :2], keypoints[end, :2], color, 1 if radius < 2.5 else 2)
    for (x, y, visible), color in zip(keypoints, colors, strict=True):
        if visible > 0:
            tile.dot((x, y), color, radius, hollow=visible == 1)


def _detection(card: DatasetCard, table: pd.DataFrame, columns: int, rows: int, rng: Random) -> Sheet:
    """Images with people: full boxes, their visible part, boxes to be ignored."""
    tiles: list[Tile] = []
    for row in _records(table, rng):
        if len(tiles) == columns * rows:
            break
        boxes, ignore = np.asarray(row["boxes"], float).reshape(-1, 4), np.asarray(row["ignore"], bool)
        if not len(boxes):
            continue
        shown = visible_boxes(boxes, row["visible"])
        people, ignored = int((~ignore).sum()), int(ignore.sum())
        caption = f"{PurePath(row['image']).name}  {people} people, {ignored} ignored"
        tile = Tile(canvas.picture(row["image"]), CELL, CELL, caption, around(list(boxes[~ignore])))
        for box, part, skip in zip(boxes, shown, ignore, strict=True):
            if not skip and np.abs(box - part).max() > 1:
                tile.box(part, canvas.SKY, 1)
            tile.box(box, canvas.VERMILION if skip else canvas.YELLOW, 1 if skip else 2, bool(skip))
        tiles.append(tile)
    legend = [
        LegendKey(canvas.YELLOW, "person"),
        LegendKey(canvas.SKY, "visible part, where it is less than the person"),
        LegendKey(canvas.VERMILION, "ignored", "dashed"),
    ]
    return tiles, columns, legend


def _parsing(card: DatasetCard, table: pd.DataFrame, columns: int, rows: int, rng: Random) -> Sheet:
    """Part maps blended over the image, each part with its class number."""
    tiles: list[Tile] = []
    present: set[int] = set()
    for row in _records(table, rng):
        if len(tiles) == columns * rows:
            break
        label = load_label(card, row["label"])
        image = canvas.picture(row["image"])
        if label.shape != image.size[::-1]:
            size = f"{label.shape[1]} x {label.shape[0]}"
            raise DataError(f"{row['label']}: the map is {size}, its image {image.width} x {image.height}")
        parts = np.argwhere((label > 0) & (label < IGNORE))[:, ::-1]
        crop = around([], [parts.min(axis=0), parts.max(axis=0)]) if len(parts) else None
        tile = Tile(image, CELL, CELL, str(row["id"]), crop)
        left, top, right, bottom = tile.window
        present |= blend_parts(tile, label[top:bottom, left:right])
        tiles.append(tile)
    classes = sorted(present - {0, IGNORE})
    legend = [LegendKey(part_color(c), f"{c} {card.labels.classes[c]}", "patch") for c in classes]
    return tiles, columns, legend + ([LegendKey(canvas.PAPER, "ignored", "patch")] if IGNORE in present else [])


PART_COLORS = (
    "#e69f00", "#0072b2", "#f0e442", "#d55e00", "#56b4e9", "#009e73", "#cc79a7", "#969696",
    "#332288", "#ffccaa", "#999933", "#aa4499", "#ffaabb", "#ee8866", "#44bb99", "#bbcc33",
    "#882255", "#dddddd", "#117733", "#eedd88", "#77aadd", "#cc6677", "#aaaa00", "#88ccee",
)  # fmt: skip
"""Colours of classes 1, 2 ...: the palette of Okabe and Ito, then Tol's muted and light ones. No 24 colours are told
apart by everybody, so regions also bear the number of their class."""


def part_color(number: int) -> Color:
    """Colour of a part class."""
    red, green, blue = ImageColor.getrgb(PART_COLORS[(number - 1) % len(PART_COLORS)])[:3]
    return red, green, blue


def blend_parts(tile: Tile, label: Map) -> set[int]:
    """Colour the parts of the (cropped) map on a tile and number them; the classes there are."""
    small = np.array(Image.fromarray(label).resize(tile.size, Image.Resampling.NEAREST))
    colors = np.array([canvas.INK, *map(part_color, range(1, 255)), canvas.PAPER], float)
    left, top = tile.corner
    picture = np.asarray(tile.canvas.crop((left, top, left + tile.size[0], top + tile.size[1])), float)
    picture = np.where(small[..., None] > 0, 0.35 * picture + 0.65 * colors[small], picture)
    edge = np.zeros(small.shape, bool)
    edge[1:] |= small[1:] != small[:-1]
    edge[:, 1:] |= small[:, 1:] != small[:, :-1]
    picture[edge] = canvas.INK
    tile.canvas.paste(Image.fromarray(picture.astype(np.uint8)), tile.corner)
    classes = {int(c) for c in np.unique(small)}
    for number in sorted(classes - {0, IGNORE}):
        for x, y in _middles(small == number):
            tile.label((x + left, y + top), str(number), 9)
    return classes


def _middles(mask: NDArray[np.bool_], at_least: int = 300) -> Iterator[tuple[int, int]]:
    """A point deep inside each region of a mask (x, y): of the largest, and of all that have room for a number."""
    import scipy.ndimage

    regions, count = scipy.ndimage.label(mask)
    areas = np.bincount(regions.ravel(), minlength=count + 1)[1:]
    for number, (rows, columns) in enumerate(scipy.ndimage.find_objects(regions), 1):
        if areas[number - 1] < at_least and areas[number - 1] < areas.max():
            continue
        depth = scipy.ndimage.distance_transform_cdt(np.pad(regions[rows, columns] == number, 1))[1:-1, 1:-1]
        y, x = np.unravel_index(int(depth.argmax()), depth.shape)
        yield int(x) + columns.start, int(y) + rows.start


def _counting(card: DatasetCard, table: pd.DataFrame, columns: int, rows: int, rng: Random) -> Sheet:
    """Images with a ring on every head and their number."""
    tiles = []
    for row, _ in zip(_records(table, rng), range(columns * rows), strict=False):
        tile = Tile(canvas.picture(row["image"]), CELL, CELL, f"{row['id']}  count {row['count']:g}")
        points = np.asarray(row["points"], float).reshape(-1, 2)
        for point in points:
            tile.dot(point, canvas.YELLOW, 2 if len(points) > 100 else 3)
        tiles.append(tile)
    return tiles, columns, [LegendKey(canvas.YELLOW, "annotated head", "dot")]


def _attribute(card: DatasetCard, table: pd.DataFrame, columns: int, rows: int, rng: Random) -> Sheet:
    """People beside the names of the attributes they have; a question mark where nobody knows."""
    tiles = []
    for row, _ in zip(_records(table, rng), range(columns * rows), strict=False):
        tile = Tile(canvas.picture(row["image"]), CELL, CELL, str(row["id"]), share=0.5)
        names = [(n, canvas.INK) for n in card.labels.attributes if row[n] == 1]
        names += [(f"? {n}", canvas.GREY) for n in card.labels.attributes if row[n] == -1]
        _words(tile, names, tile.size[0] + 10)
        tiles.append(tile)
    return (
        tiles,
        columns,
        [
            LegendKey(canvas.INK, "has it"),
            LegendKey(canvas.GREY, "? not known"),
            LegendKey(canvas.PAPER, "unnamed: has it not"),
        ],
    )


def _words(tile: Tile, names: Sequence[tuple[str, Color]], left: float) -> None:
    """One name a line, smaller where there are many."""
    height = tile.canvas.height - canvas.SUPER * Tile.CAPTION - 8
    step = min(20 * canvas.SUPER, height // max(len(names), 1))
    for number, (name, color) in enumerate(names):
        tile.text((left, 6 + number * step), name, color, max(6, int(0.75 * step / canvas.SUPER)))


def _reid(card: DatasetCard, table: pd.DataFrame, columns: int, rows: int, rng: Random) -> Sheet:
    """A row per query: the query, images that count as right, those that are left out, and other people."""
    across = 2 * columns
    roles = table["role"] if "role" in table else pd.Series("", index=table.index)
    queries, gallery = table[roles.isin(["query", ""])], table[roles.isin(["gallery", ""])]
    asked = set(queries["pid"])
    repeated = gallery["pid"].isin(queries["pid"]).to_numpy()
    tiles: list[Tile] = []
    for query in _records(queries, rng):
        if len(tiles) == across * rows:
            break
        same = (gallery["pid"] == query["pid"]).to_numpy() & (gallery["id"] != query["id"]).to_numpy()
        near = (gallery["camid"] == query["camid"]).to_numpy() & (query["camid"] >= 0)
        if not (same & ~near).any():
            continue
        groups = [same & ~near, same & near, ~repeated, ~same & repeated & (gallery["id"] != query["id"]).to_numpy()]
        tiles += [canvas.blank(*REID_CELL)] * (-len(tiles) % across)  # a gallery may not fill the row before
        tiles.append(_crop(query, "query", canvas.INK, False))
        tiles += [_crop(row, *REID_MARKS[group]) for group, row in _gallery_row(gallery, groups, across - 1, rng)]
    legend = [LegendKey(canvas.INK, f"query (of {len(asked):,} people)")]
    legend += [
        LegendKey(color, text, "dashed" if dashed else "line")
        for text, (_, color, dashed) in zip(REID_TEXTS, REID_MARKS, strict=True)
    ]
    return tiles, across, legend


REID_CELL = CELL // 2 - 3, CELL
REID_MARKS: tuple[tuple[str, Color, bool], ...] = (
    ("same", canvas.GREEN, False),
    ("left out", canvas.GREY, True),
    ("distractor", canvas.PURPLE, True),
    ("other", canvas.VERMILION, False),
)
REID_TEXTS = (
    "same person, to be found",
    "same person and camera: left out",
    "distractor: nobody is asked for",
    "another person",
)


def _gallery_row(
    gallery: pd.DataFrame, groups: list[NDArray[np.bool_]], room: int, rng: Random
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Up to half the room for right ones, one that is left out, one or two distractors, then other people."""
    limits = ((room + 1) // 2, 1, 1, room)
    for number, (mask, limit) in enumerate(zip(groups, limits, strict=True)):
        found = rng.permutation(np.flatnonzero(mask))[: min(limit, room)]
        room -= len(found)
        for position in found:
            yield number, {str(k): v for k, v in gallery.iloc[int(position)].items()}


def _crop(row: dict[str, Any], role: str, color: Color, dashed: bool) -> Tile:
    camera = f", cam {row['camid']}" if row["camid"] >= 0 else ""
    tile = Tile(canvas.picture(row["image"]), *REID_CELL, f"{role}, id {row['pid']}{camera}")
    tile.border(color, dashed)
    return tile


SHEETS: dict[str, Callable[[DatasetCard, pd.DataFrame, int, int, Random], Sheet]] = {
    "reid": _reid,
    "pose": _pose,
    "parsing": _parsing,
    "attribute": _attribute,
    "detection": _detection,
    "counting": _counting,
}
