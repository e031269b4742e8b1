"""Procedural pictures on the fly: a torch data set that draws them when they are asked for, without a disk."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from humanbench.cards import load_card
from humanbench.data.mannequin.plans import further, plan
from humanbench.data.mannequin.rows import Row, shoot
from humanbench.data.mannequin.shots import jpeg, world_of
from humanbench.errors import WithheldError


class MannequinStream(Dataset[dict[str, Any]]):
    """Pictures of a split of a dataset's procedural copy with their labels.

    The first pictures are those that `humanbench datasets synthesize` writes at scale 1 with this seed, after the same
    JPEG; a greater `length` goes on with other people and scenes of the same kind. A sample depends on its index alone.

    Samples are dicts: `image` (uint8 tensor 3 x H x W; sizes differ from sample to sample) and the labels as they are
    before any format rounds them, in the columns of `load_samples`: reid `pid`, `camid`; attribute `attributes` (P x A
    int8) and `bbox` P x 4; parsing `label` (H x W uint8); pose `keypoints` P x K x 3, `bbox` P x 4, `area` P; detection
    `boxes` M x 4, `ignore` M, `visible` M x 4; counting `points` N x 2, `count`. Boxes are [x, y, w, h]. Load with
    `batch_size=None` or a `collate_fn` of your own.
    """

    def __init__(self, dataset: str, split: str, length: int | None = None, seed: int = 0) -> None:
        """`length` pictures, by default as many as are written; `WithheldError` where a split has no labels."""
        self._card = load_card(dataset)
        self._split = split
        self._world = world_of(self._card, seed)
        if self._card.split(split).labels == "withheld":
            raise WithheldError(f"{dataset}: the labels of split {split!r} are not public, so it is not drawn either")
        self._shots = plan(self._card, self._world, scale=1.0)
        self._length = len(self._shots[split]) if length is None else length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> dict[str, Any]:
        if not -self._length <= index < self._length:
            raise IndexError(f"picture {index} of {self._length}")
        shot = further(self._shots, self._split, index % self._length, self._world)
        taken, rows = shoot(self._card, self._world, shot)
        with Image.open(io.BytesIO(jpeg(self._world, shot.number, taken))) as picture:
            image = torch.from_numpy(np.array(picture)).permute(2, 0, 1)
        return {"image": image} | self._labels(rows)

    def _labels(self, rows: list[Row]) -> dict[str, Any]:
        if self._card.task in ("pose", "attribute"):
            return self._people(rows)
        (row,) = rows
        return {name: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for name, v in row.items()}

    def _people(self, rows: list[Row]) -> dict[str, Tensor]:
        """One row per person, stacked."""
        boxes = torch.tensor(np.array([row["bbox"] for row in rows]).reshape(-1, 4))
        if self._card.task == "attribute":
            names = self._card.labels.attributes
            values = np.array([[row[name] for name in names] for row in rows], np.int8).reshape(-1, len(names))
            return {"attributes": torch.from_numpy(values), "bbox": boxes}
        keypoints = np.array([row["keypoints"] for row in rows]).reshape(-1, len(self._card.labels.keypoints), 3)
        area = torch.tensor([row["area"] for row in rows], dtype=torch.float64)
        return {"keypoints": torch.from_numpy(keypoints), "bbox": boxes, "area": area}
