"""Epochs from stored outputs of a frozen trunk against epochs from images, ViT-S at 256 x 128."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from unittest import mock

import numpy as np
from PIL import Image

from humanbench.engine.batches import TrainingBatches
from humanbench.engine.devices import Rank, accelerator_for
from humanbench.engine.fit import Fit
from humanbench.engine.frozen_cache import FrozenCache, StoreRequest
from humanbench.engine.prepared import cell_key, prepare, read_tables
from humanbench.evaluation.plan import Plan, plan_for
from humanbench.evaluation.request import Request
from humanbench.run_log import RunLog

IMAGES = 64
EPOCHS = 2


@dataclass(frozen=True)
class Prepared:
    """A plan of one cell on a small Market-shaped dataset that lives as long as this object, and a cache folder."""

    plan: Plan
    folder: Path
    epochs: int
    holder: tempfile.TemporaryDirectory[str] = field(repr=False)


def _pictures(root: Path, count: int) -> None:
    """Random JPEGs of Market's size and names: 4 pictures of each identity."""
    rng = np.random.default_rng(0)
    for name, number in (("bounding_box_train", count), ("query", 4), ("bounding_box_test", 4)):
        place = root / "market1501" / name
        place.mkdir(parents=True)
        for i in range(number):
            pixels = rng.integers(0, 255, (16, 8, 3), np.uint8)
            picture = Image.fromarray(pixels).resize((64, 128), Image.Resampling.BICUBIC)
            picture.save(place / f"{i // 4 + 1:04d}_c{i % 4 + 1}s1_{i:06d}_00.jpg", quality=95)


@dataclass(frozen=True)
class Cached:
    """A finetuning of re-identification with the recipe of the benchmark and one view.

    `feature` is what the head reads: the class token, as in the recipe, or `pooled`, which takes all tokens to the end,
    as the maps of other tasks do.
    """

    regime: str
    wanted: str
    epochs: int
    feature: str = "class_token"
    tolerance: float = 1e-4
    peer_name: str = "the same fit from images"

    @property
    def name(self) -> str:
        read = "all tokens" if self.feature == "pooled" else "the class token"
        return f"{self.regime} finetuning of ViT-S, {IMAGES} images of 256 x 128, from stored trunk outputs, for {read}"

    @property
    def aim(self) -> str:
        return f"{self.wanted} the peer's epochs per second"

    def inputs(self, small: bool) -> Prepared:
        holder = tempfile.TemporaryDirectory()
        folder = Path(holder.name)
        epochs = 1 if small else self.epochs
        _pictures(folder / "data", 16 if small else IMAGES)
        request = Request(
            "random:timm:vit_small_patch16_224", self.regime, "market1501", data_root=folder / "data",
            out=folder / "run", device="cpu",
            set={"train.views": 1, "train.epochs": epochs, "train.batch_size": 32, "train.drop_path": 0.0,
                 "head.feature": self.feature},
        )  # fmt: skip
        made = Prepared(plan_for(request), folder, epochs, holder)
        self._fit(made, stored=True, epochs=0)  # fills the cache
        return made

    def ours(self, inputs: Prepared) -> dict[str, float]:
        return self._fit(inputs, stored=True, epochs=inputs.epochs)

    def peer(self, inputs: Prepared) -> dict[str, float]:
        return self._fit(inputs, stored=False, epochs=inputs.epochs)

    def _fit(self, inputs: Prepared, stored: bool, epochs: int) -> dict[str, float]:
        log = RunLog(loud=False)
        context, (spec,) = replace(inputs.plan.context, log=log, workers=0), inputs.plan.cells
        cell = prepare(context, spec, read_tables(context, spec), cell_key(context, spec, None))
        data = cell.task.training_data(
            cell.card, cell.tables.train, cell.recipe, cell.model.backbone.preprocessing, spec.seed
        )
        accelerator = accelerator_for("cpu", "no")
        batches = TrainingBatches(data, cell.recipe, spec.seed, Rank(), cell.task.collate, workers=0, pin=False)
        if stored:
            with mock.patch.dict("os.environ", {"HUMANBENCH_CACHE": str(inputs.folder / "cache")}):
                cache = FrozenCache(context, accelerator, cell)
                store = cache.store(StoreRequest(data, 0, ("plain",), 1, {"regime": self.regime}))
            batches.stores = [store]
        if not epochs:
            return {}
        fit = Fit(accelerator, cell.model, cell.recipe, spec.seed, batches, log, inputs.folder / "none.pt", "none")
        with mock.patch("humanbench.engine.fit.save_checkpoint"):
            progress = fit.run()
        return dict(progress.history[-1])


CASES = (
    Cached("head", ">= 10 x", epochs=2),
    Cached("partial", ">= 3 x", epochs=1),
    # 10 of 12 blocks run forward only, 2 forward and backward: with all tokens to the end 16 / 6 is the most there is.
    Cached("partial", ">= 2.5 x", epochs=1, feature="pooled"),
)
