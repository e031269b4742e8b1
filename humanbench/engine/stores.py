"""Which stored trunk outputs a cell uses, and why not where it uses none."""

from __future__ import annotations

from typing import Any

from accelerate import Accelerator

from humanbench._version import __version__
from humanbench.engine.context import RunContext
from humanbench.engine.frozen_cache import FrozenCache, NotCached, StoreRequest
from humanbench.engine.prepared import PreparedCell
from humanbench.engine.shards import Store
from humanbench.tasks.training import TaskDataset


class CellStores:
    """The stores of a cell, found or filled when they are asked for.

    `notes`: for `train` and `test`, which were used, or why none was; a result keeps it.
    """

    def __init__(self, context: RunContext, accelerator: Accelerator, cell: PreparedCell) -> None:
        self._context, self._cell = context, cell
        self._cache = FrozenCache(context, accelerator, cell)
        self.notes: dict[str, str] = {}

    def for_training(self, data: TaskDataset, epochs: int) -> list[Store]:
        """A store per fixed view of the training pictures, which are gone through so many times, or none where they do
        not apply."""
        views = self._cell.recipe.train.views
        reason = self._no_cache("train")
        if reason is None and not views:
            reason = "every epoch draws new augmentations (train.views = 0)"
        if reason is None and views >= epochs:
            reason = f"{views} views would not be seen twice in {epochs} epochs"
        content = self._content("train", list(self._cell.tables.train))
        requests = [StoreRequest(data, view, ("plain",), views, content) for view in range(views)]
        return self._stores("train", reason, requests)

    def for_testing(self, data: TaskDataset) -> Store | None:
        """The store of the test pictures, or None where it does not apply."""
        views = tuple(self._cell.task.test_views(self._cell.recipe))
        content = self._content("test", list(self._cell.tables.test))
        stores = self._stores("test", self._no_cache("test"), [StoreRequest(data, 0, views, 1, content)])
        return stores[0] if stores else None

    def _no_cache(self, part: str) -> str | None:
        if not self._context.cache:
            return "switched off"
        if part == "test" and self._cell.spec.corruption is not None:
            return "test pictures are corrupted, and are seen so once"
        if self._cell.model.split_index == 0:
            return "no part of the backbone is frozen"
        return None

    def _stores(self, part: str, reason: str | None, requests: list[StoreRequest]) -> list[Store]:
        if reason is not None:
            self.notes[part] = f"not used: {reason}"
            return []
        try:
            stores = [self._cache.store(request) for request in requests]
        except NotCached as refusal:
            self.notes[part] = f"not used: {refusal}"
            self._context.log.info(f"  trunk outputs of {part} images are not stored: {refusal}")
            return []
        self.notes[part] = f"used ({', '.join(request.key[:12] for request in requests)})"
        return stores

    def _content(self, part: str, splits: list[str]) -> dict[str, Any]:
        """Everything that decides what the frozen trunk makes of this part's samples, and what targets they have."""
        cell, recipe = self._cell, self._cell.recipe
        preprocessing = cell.model.backbone.preprocessing
        decisive = recipe.model_dump(mode="json", include={"input", "augment", "head", "loss", "test"})
        content = {
            "humanbench": __version__,
            "part": part,
            "dataset": cell.card.id,
            "splits": splits,
            "data": cell.tables.hashes[part],
            "inputs": cell.key.inputs,
            "weights": cell.key.weights_sha256,
            "architecture": cell.key.architecture,
            "split_index": cell.model.split_index,
            "feature_level": cell.model.backbone.feature_level,
            "preprocessing": [preprocessing.mean, preprocessing.std, preprocessing.interpolation],
            "recipe": decisive,
            "amp": recipe.train.amp,
            "seed": cell.spec.seed if part == "train" else None,
        }
        # Said only where it is so, as stores from before there was this are without.
        if recipe.train.compile:
            content["compile"] = True
        if part == "train" and cell.spec.few is not None:
            content["few"] = cell.spec.few.name
        return content
