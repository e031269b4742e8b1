"""What a simple learner learns of each task: pictures of one size, and maps of target values over a grid on them.

A target is N x T x h x w. Where a whole picture has one answer (identities, attributes) the grid is 1 x 1; elsewhere a
cell stands for `STRIDE` x `STRIDE` pixels of the shrunk picture: which part it shows, whether a joint is there, whether
a person of some height is centred there, how many heads there are. All learners estimate the expected target, and each
task turns such estimates into predictions in the same way, whoever made them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional
from torchvision.ops import nms

from humanbench.cards import DatasetCard
from humanbench.data.images import image_size
from humanbench.data.labels import load_label
from humanbench.tasks.detection import predictions as detection
from humanbench.tasks.pose import predictions as pose
from humanbench.tasks.reid import predictions as reid

Floats = NDArray[np.floating]
Tables = Mapping[str, pd.DataFrame]

STRIDE = 4
_MULTIPLE = 16  # sizes of pictures are multiples of the network's deepest stride


@dataclass(frozen=True)
class Link:
    """How a network's output z means an expected target: the loss, the mean for z, and the z for a mean."""

    loss: Callable[[Tensor, Tensor], Tensor]
    mean: Callable[[Tensor], Tensor]
    inverse: Callable[[Tensor], Tensor]


def _log(mean: Tensor) -> Tensor:
    return torch.log(mean + 1e-4)


SCORES = Link(functional.cross_entropy, lambda z: z, _log)
SHARES = Link(functional.cross_entropy, lambda z: z.softmax(1), _log)
CHANCES = Link(functional.binary_cross_entropy_with_logits, torch.sigmoid, lambda p: torch.logit(p, 1e-4))
RATES = Link(lambda z, target: functional.poisson_nll_loss(z, target), torch.exp, _log)


class Job(ABC):
    """A dataset as a learner sees it. `size` is that of the shrunk pictures (height, width)."""

    AREA: ClassVar[int] = 96 * 48
    LINK: ClassVar[Link] = CHANCES
    DENSE: ClassVar[bool] = True

    def __init__(self, card: DatasetCard, train: pd.DataFrame) -> None:
        self.card = card
        self.names = self.named(card)
        self.size = self.sized(train)

    def sized(self, train: pd.DataFrame) -> tuple[int, int]:
        """Height and width of about `AREA` pixels in the usual aspect of the images."""
        _, _, widths, heights = self.windows(train).T
        aspect = float(np.median(widths / heights))
        return _multiple(np.sqrt(self.AREA / aspect)), _multiple(np.sqrt(self.AREA * aspect))

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the target maps."""
        return (self.size[0] // STRIDE, self.size[1] // STRIDE) if self.DENSE else (1, 1)

    def named(self, card: DatasetCard) -> tuple[str, ...]:
        """What the card calls the channels of the target, where it does."""
        return ()

    def mirrored(self, channels: int) -> list[int]:
        """Where each channel comes from when a picture is mirrored."""
        order = list(range(channels))
        for a, b in self.card.labels.flip_pairs if self.names else ():
            order[a], order[b] = b, a
        return order

    def windows(self, table: pd.DataFrame) -> Floats:
        """What is cut out of the image for each row: N x 4 (left, top, width, height) of pixel edges."""
        return np.array([(0, 0, *image_size(Path(path))) for path in table["image"]], float)

    def pictures(self, table: pd.DataFrame) -> NDArray[np.uint8]:
        """The windows shrunk to `size`: N x 3 x H x W."""
        height, width = self.size
        shrunk = np.empty((len(table), 3, height, width), np.uint8)
        path, image = "", Image.new("RGB", (1, 1))
        for row, (x, y, w, h) in enumerate(self.windows(table)):
            if table["image"].iloc[row] != path:
                path = table["image"].iloc[row]
                image = Image.open(path).convert("RGB")
            cut = image.crop((round(x), round(y), round(x + w), round(y + h)))
            shrunk[row] = np.asarray(cut.resize((width, height), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
        return shrunk

    @abstractmethod
    def targets(self, table: pd.DataFrame) -> Floats:
        """N x T x h x w."""

    @abstractmethod
    def predictions(self, card: DatasetCard, tables: Tables, estimates: Floats) -> Any:
        """Estimated targets of the rows of the tables, as the task's `predictions.write` takes them."""

    def cells(self, xy: Floats, window: Floats) -> Floats:
        """Image coordinates (pixel centres are whole numbers) as coordinates on the grid (cell centres are whole)."""
        return (xy + 0.5 - window[:2]) / window[2:] * self.grid[::-1] - 0.5

    def pixels(self, cells: Floats, window: Floats) -> Floats:
        """The inverse of `cells`."""
        return (cells + 0.5) / self.grid[::-1] * window[2:] + window[:2] - 0.5


class Reid(Job):
    """Which of the training people it is; the scores of all of them are the feature of somebody unknown."""

    LINK = SCORES
    DENSE = False

    def targets(self, table: pd.DataFrame) -> Floats:
        people = np.unique(table["pid"])
        return (table["pid"].to_numpy()[:, None] == people)[..., None, None].astype(np.float32)

    def predictions(self, card: DatasetCard, tables: Tables, estimates: Floats) -> reid.ReidFeatures:
        features = estimates[..., 0, 0] - estimates.mean(axis=(0, 2, 3))
        features = (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)
        query, _ = tables.values()
        return reid.ReidFeatures(features[: len(query)], features[len(query) :])


class Attribute(Job):
    """The chance of each attribute, told as if present and absent were equally frequent: mA asks for no less."""

    DENSE = False

    def __init__(self, card: DatasetCard, train: pd.DataFrame) -> None:
        super().__init__(card, train)
        self.share = self.targets(train).mean(axis=(0, 2, 3))

    def named(self, card: DatasetCard) -> tuple[str, ...]:
        return card.labels.attributes

    def targets(self, table: pd.DataFrame) -> Floats:
        values = table[list(self.names)].to_numpy(np.float32)
        known = values >= 0
        shares = (values * known).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        return np.where(known, values, shares)[..., None, None]

    def predictions(self, card: DatasetCard, tables: Tables, estimates: Floats) -> Floats:
        chance = np.clip(estimates[..., 0, 0], 0, 1).astype(float)
        share = np.clip(self.share, 1e-6, 1 - 1e-6)
        present, absent = chance / share, (1 - chance) / (1 - share)
        # A share estimated by itself must come out as exactly one half, which means no.
        return np.where(np.isclose(present, absent), 0.5, present / (present + absent))


class Pose(Job):
    """Where each joint is in the box of its person."""

    BORDER = 1.2

    def named(self, card: DatasetCard) -> tuple[str, ...]:
        return card.labels.keypoints

    def sized(self, train: pd.DataFrame) -> tuple[int, int]:
        return 80, 64

    def windows(self, table: pd.DataFrame) -> Floats:
        boxes = np.stack([np.asarray(box, float) for box in table["bbox"]])
        tall = self.BORDER * np.maximum(boxes[:, 3], boxes[:, 2] * self.size[0] / self.size[1])
        size = np.column_stack([tall * self.size[1] / self.size[0], tall])
        return np.column_stack([boxes[:, :2] + boxes[:, 2:] / 2 + 0.5 - size / 2, size])

    def targets(self, table: pd.DataFrame) -> Floats:
        pairs = zip(table["keypoints"], self.windows(table), strict=True)
        return np.stack([_bumps(self.cells(k[:, :2], w), self.grid) * (k[:, 2] > 0)[:, None, None] for k, w in pairs])

    def predictions(self, card: DatasetCard, tables: Tables, estimates: Floats) -> pose.PredictedPoses:
        (table,) = tables.values()
        joints = []
        for maps, window in zip(estimates, self.windows(table), strict=True):
            at = maps.reshape(len(maps), -1).argmax(axis=1)
            points = np.stack([_refined(m, np.unravel_index(i, m.shape)) for m, i in zip(maps, at, strict=True)])
            joints.append(np.column_stack([self.pixels(points[:, ::-1], window), maps.max(axis=(1, 2))]))
        keypoints = np.stack(joints)
        people = list(table["annotation_id"]) if _given(card) else None
        return pose.PredictedPoses(list(table["image_id"]), keypoints, keypoints[..., 2].mean(axis=1), people)


class Parsing(Job):
    """The share of each class in every cell."""

    AREA = 96 * 80
    LINK = SHARES

    def named(self, card: DatasetCard) -> tuple[str, ...]:
        return card.labels.classes

    def targets(self, table: pd.DataFrame) -> Floats:
        height, width = self.size
        shares = np.empty((len(table), len(self.names), *self.grid), np.float32)
        for row, label in enumerate(table["label"]):
            whole = Image.fromarray(load_label(self.card, label))
            small = np.asarray(whole.resize((width, height), Image.Resampling.NEAREST))
            each = small == np.arange(len(self.names))[:, None, None]
            shares[row] = each.reshape(-1, self.grid[0], STRIDE, self.grid[1], STRIDE).mean(axis=(2, 4))
        return shares

    def predictions(self, card: DatasetCard, tables: Tables, estimates: Floats) -> list[NDArray[np.uint8]]:
        (table,) = tables.values()
        maps = []
        for shares, path in zip(torch.from_numpy(estimates), table["image"], strict=True):
            width, height = image_size(Path(path))
            whole = functional.interpolate(shares[None].float(), (height, width), mode="bilinear")
            maps.append(whole[0].argmax(0).numpy().astype(np.uint8))
        return maps


class Detection(Job):
    """Whether a person is centred in a cell, for each of a few heights."""

    AREA = 256 * 192
    HEIGHTS = 7
    LEAST, MOST = 0.02, 150  # score and number of boxes kept of an image

    def __init__(self, card: DatasetCard, train: pd.DataFrame) -> None:
        super().__init__(card, train)
        shapes = np.concatenate([b[~i, 2:] / w[2:] for b, i, w in self._people(train)])
        low, high = np.quantile(np.log(shapes[:, 1]), [0.02, 0.98])
        self.heights = np.linspace(low, high, self.HEIGHTS)  # log of the height over the image's
        self.aspect = float(np.median(shapes[:, 0] / shapes[:, 1]))

    def _people(self, table: pd.DataFrame) -> list[tuple[Floats, NDArray[np.bool_], Floats]]:
        boxes = [np.asarray(b, float).reshape(-1, 4) for b in table["boxes"]]
        return list(zip(boxes, (np.asarray(i, bool) for i in table["ignore"]), self.windows(table), strict=True))

    def targets(self, table: pd.DataFrame) -> Floats:
        maps = np.zeros((len(table), self.HEIGHTS, *self.grid), np.float32)
        step = self.heights[1] - self.heights[0]
        for row, (boxes, ignored, window) in enumerate(self._people(table)):
            for x, y, w, h in boxes[~ignored]:
                place = _bumps(self.cells(np.array([[x + w / 2, y + h / 2]]), window), self.grid)
                level = np.exp(-0.5 * ((np.log(h / window[3]) - self.heights) / step) ** 2)
                maps[row] = np.maximum(maps[row], level[:, None, None] * place)
        return maps

    def predictions(self, card: DatasetCard, tables: Tables, estimates: Floats) -> detection.Detections:
        (table,) = tables.values()
        found = [self._found(maps, window) for maps, window in zip(estimates, self.windows(table), strict=True)]
        rows = np.repeat(np.arange(len(table)), [len(f) for f in found])
        boxes = np.concatenate(found)
        return detection.Detections(rows, boxes[:, :4], boxes[:, 4])

    def _found(self, maps: Floats, window: Floats) -> Floats:
        """Boxes (x, y, w, h, score) at the peaks over height and place, less overlapping ones."""
        volume = torch.from_numpy(np.ascontiguousarray(maps, np.float32))[None, None]
        peaks = (functional.max_pool3d(volume, 3, 1, 1) == volume)[0, 0].numpy() & (maps > self.LEAST)
        at = np.argwhere(peaks)
        at = at[np.argsort(-maps[tuple(at.T)], kind="stable")][: 4 * self.MOST]
        if not len(at):
            return np.zeros((0, 5))
        level, *place = np.array([_refined(maps, i) for i in at]).T
        tall = np.exp(np.interp(level, np.arange(self.HEIGHTS), self.heights)) * window[3]
        wide = self.aspect * tall * window[2] / window[3]
        centers = self.pixels(np.column_stack(place)[:, ::-1], window)
        boxes = np.column_stack([centers[:, 0] - wide / 2, centers[:, 1] - tall / 2, wide, tall])
        scores = np.clip(maps[tuple(at.T)], 0, 1)
        edges = torch.from_numpy(np.column_stack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]]))
        keep = nms(edges, torch.from_numpy(scores.astype(float)), 0.5).numpy()[: self.MOST]
        return np.column_stack([boxes, scores])[keep]


class Counting(Job):
    """How many heads are in each cell."""

    AREA = 256 * 192
    LINK = RATES

    def targets(self, table: pd.DataFrame) -> Floats:
        height, width = self.grid
        maps = np.zeros((len(table), 1, height, width), np.float32)
        for row, (points, window) in enumerate(zip(table["points"], self.windows(table), strict=True)):
            x, y = np.round(self.cells(np.asarray(points, float).reshape(-1, 2), window)).astype(int).T
            np.add.at(maps[row, 0], (y.clip(0, height - 1), x.clip(0, width - 1)), 1)
        return maps

    def predictions(self, card: DatasetCard, tables: Tables, estimates: Floats) -> Floats:
        return np.maximum(estimates.astype(float).sum(axis=(1, 2, 3)), 0)


JOBS: dict[str, type[Job]] = {
    "reid": Reid,
    "attribute": Attribute,
    "pose": Pose,
    "parsing": Parsing,
    "detection": Detection,
    "counting": Counting,
}


def _multiple(length: float) -> int:
    return max(1, round(length / _MULTIPLE)) * _MULTIPLE


def _given(card: DatasetCard) -> bool:
    assert card.evaluation is not None
    return pose.METRICS[card.evaluation.options["metric"]].given


def _bumps(cells: Floats, grid: tuple[int, int]) -> NDArray[np.float32]:
    """A Gaussian of one cell's width around each of M points: M x h x w."""
    rows, columns = (np.arange(n, dtype=np.float32) for n in grid)
    down = np.exp(-0.5 * (rows - cells[:, 1, None].astype(np.float32)) ** 2)
    across = np.exp(-0.5 * (columns - cells[:, 0, None].astype(np.float32)) ** 2)
    return down[:, :, None] * across[:, None, :]


def _refined(maps: Floats, at: Any) -> Floats:
    """A peak's place to less than a cell: the vertex of the parabola through log values along each axis."""
    place = np.array(at, float)
    logs = np.log(np.maximum(maps, 1e-4))
    for axis, i in enumerate(at):
        if 0 < i < maps.shape[axis] - 1:
            before, here, after = (logs[tuple(np.add(at, d * np.eye(maps.ndim, dtype=int)[axis]))] for d in (-1, 0, 1))
            bend = before - 2 * here + after
            place[axis] += np.clip(0.5 * (before - after) / bend, -0.5, 0.5) if bend < 0 else 0
    return place
