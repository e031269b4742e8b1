"""Pictures of poses."""

from __future__ import annotations

from pathlib import PurePath

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from humanbench.cards import DatasetCard
from humanbench.data import canvas
from humanbench.data.canvas import CELL, Color, LegendKey, Sheet, Tile, around, shuffled_rows
from humanbench.tasks.base import TaskDrawing


class PoseDrawing(TaskDrawing):
    """See the methods of `TaskDrawing`."""

    def sheet(self, card: DatasetCard, table: pd.DataFrame, columns: int, rows: int, rng: np.random.Generator) -> Sheet:
        """Images with everybody in them: skeletons by side, hidden joints as rings."""
        tiles: list[Tile] = []
        images: dict[str, None] = {}
        for row in shuffled_rows(table, rng):
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
        return Sheet(tiles, columns, legend)


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


drawing = PoseDrawing()
