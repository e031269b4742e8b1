"""The frozen-trunk cache: what a frozen trunk makes of images that do not change is computed once.

Content-addressed: weights, architecture, transform, pixels and labels are in the key, so a change of any of them
misses. The cache is never needed: where it does not fit or does not apply, work goes on from images, and the result
says why.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import send_to_device
from torch import Tensor

from humanbench._version import __version__
from humanbench.data.transforms import normalise
from humanbench.engine.batches import Collate, batches_of_rank, loaded, ordered_batches
from humanbench.engine.context import RunContext
from humanbench.engine.devices import Rank, gathered, rank_of
from humanbench.engine.prepared import PreparedCell
from humanbench.engine.shards import INDEX, DamagedStore, State, Store, checked_store, state_bytes, write_shard
from humanbench.files import sweep, unfinished
from humanbench.hashing import key
from humanbench.paths import cache_folder
from humanbench.tasks.training import Sample, TaskDataset

Size = tuple[int, int]

SHARD_BYTES = 128 * 2**20
FREE_SHARE = 0.5
"""The cache takes at most this share of what is free on its disk."""

FORMAT = 2
"""Version of what stores look like; those of another are never looked at."""


class NotCached(Exception):
    """Why trunk outputs are not stored, as a clause."""


@dataclass(frozen=True)
class StoreRequest:
    """Trunk outputs of one pass over a data set.

    `draw`: the number of the fixed augmentation. `views`: names of test views. `passes`: how many passes like this
    the cell needs (for the size estimate). `content`: everything that decides what comes out.
    """

    data: TaskDataset
    draw: int
    views: tuple[str, ...]
    passes: int
    content: dict[str, Any]

    @property
    def key(self) -> str:
        return key(self.content, self.draw, list(self.views), FORMAT)


def trunk_folder() -> Path:
    """Where stores lie, one folder per key."""
    return cache_folder() / "trunk"


class FrozenCache:
    """Finds or fills stores for the network of a cell."""

    def __init__(self, context: RunContext, accelerator: Accelerator, cell: PreparedCell) -> None:
        self._context, self._accelerator, self._cell = context, accelerator, cell
        self._rank = rank_of(accelerator)

    def store(self, request: StoreRequest) -> Store:
        """The store, filled first if need be (by all processes together); raises `NotCached` on every process alike.

        A damaged store is said, removed and filled again.
        """
        folder = trunk_folder() / request.key
        store, damage = self._found(folder)
        if damage is not None:
            self._context.log.info(f"  stored trunk outputs are computed again: {damage}")
            self._remove(folder, damage)
        if store is not None:
            return store
        self._fill(request, folder)
        store, damage = self._found(folder)
        if store is None:
            raise NotCached(damage or f"{folder} is gone")
        return store

    def _found(self, folder: Path) -> tuple[Store | None, str | None]:
        """The store in a folder if every process finds it whole, and what is wrong with it where one does not.

        Each process holds a part of the shards against their hashes.
        """
        damage: str | None = None
        store: Store | None = None
        try:
            store = checked_store(folder, self._rank.rank, self._rank.processes)
        except DamagedStore as error:
            damage = str(error)
        reports = gathered(self._accelerator, (store is not None, damage))
        damages = [text for _, text in reports if text is not None]
        whole = all(there for there, _ in reports)
        return (store if whole else None), (damages[0] if damages else None)

    def _remove(self, folder: Path, damage: str) -> None:
        """Remove a damaged store; `NotCached` where that cannot be done."""
        if self._accelerator.is_main_process:
            shutil.rmtree(folder, ignore_errors=True)
        if gathered(self._accelerator, folder.exists())[0]:
            raise NotCached(f"{damage}, and it cannot be removed")

    def _fill(self, request: StoreRequest, folder: Path) -> None:
        with ExitStack() as stack:
            place, shards, size, refused = self._attempt(request, stack)
            reports = gathered(self._accelerator, (refused, place, shards, size))
            self._agree([reason for reason, *_ in reports])
            refused = None
            if self._accelerator.is_main_process:
                index = _index(request, {n: h for _, _, part, _ in reports for n, h in part.items()}, reports[0][3])
                try:
                    _join([other for _, other, _, _ in reports], folder, index)
                except OSError as error:
                    refused = _unwritable(error)
            self._agree(gathered(self._accelerator, refused))

    def _agree(self, reasons: Sequence[str | None]) -> None:
        """`NotCached` on every process where one has a reason."""
        for reason in reasons:
            if reason is not None:
                raise NotCached(reason)

    def _attempt(self, request: StoreRequest, stack: ExitStack) -> tuple[Path, dict[str, str], Size | None, str | None]:
        """Write this process's shards; where, their hashes by name, the input's size, and why it did not work.

        The place is gone when the stack ends, or when a later process finds that this one is.
        """
        place = trunk_folder()
        try:
            place.mkdir(parents=True, exist_ok=True)
            sweep(place)
            place = stack.enter_context(unfinished(place, f".{request.key[:20]}.")) / "store"
            place.mkdir()
            return place, *self._write(request, place), None
        except NotCached as reason:
            return place, {}, None, str(reason)
        except OSError as error:
            return place, {}, None, _unwritable(error)

    def _write(self, request: StoreRequest, folder: Path) -> tuple[dict[str, str], Size | None]:
        """Write this process's batches as shards; their hashes by name, and the size of all pictures."""
        batches = batches_of_rank(ordered_batches(len(request.data), self._cell.recipe), self._rank)
        draws = [[(request.draw, index) for index in batch] for batch in batches]
        parts = loaded(
            request.data, draws, partial(_parted, self._cell.task.collate), self._context.workers,
            self._accelerator.device.type == "cuda", rank=self._rank, say=self._context.log.info,
        )  # fmt: skip
        pending = _Pending(folder, self._rank, request)
        size: Size | None = None
        text = "frozen trunk" + (f", view {request.draw + 1} of {request.passes}" if request.passes > 1 else "")
        with self._context.log.bar(text, len(batches)) as advance:
            for indices, (images, sizes, rest) in zip(batches, parts, strict=True):
                size = _same_size(sizes, size)
                pending.add(indices, [_whole(*one) for one in rest], self._states(images, request.views))
                advance(len(indices))
        pending.write()
        self._context.log.step(f"  {text}: outputs of {len(request.data):,} images stored")
        return pending.shards, size

    def _states(self, images: Tensor, views: Sequence[str]) -> dict[str, State]:
        self._cell.model.eval()
        moved = send_to_device(images, self._accelerator.device)
        moved = normalise(moved, self._cell.model.backbone.preprocessing)
        with self._accelerator.autocast():
            return {v: tuple(t.cpu() for t in self._cell.model.trunk(seen(moved, v))) for v in views}


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


def _parted(collate: Collate, samples: Sequence[Sample]) -> tuple[Tensor, set[Size], list[tuple[Sample, set[str]]]]:
    """A batch's images, their sizes, and the samples without them, tensors as arrays with their names beside.

    Arrays travel by value, where a tensor of a worker takes a file descriptor; and images are not kept longer than the
    trunk needs them, though a shard may be written much later.
    """
    images: Tensor = collate(samples)["image"]
    sizes = {(int(s["image"].shape[-2]), int(s["image"].shape[-1])) for s in samples}
    rest = [{name: value for name, value in sample.items() if name != "image"} for sample in samples]
    named = [{name for name, value in sample.items() if isinstance(value, Tensor)} for sample in rest]
    plain = [
        {name: value.numpy() if name in names else value for name, value in sample.items()}
        for sample, names in zip(rest, named, strict=True)
    ]
    return images, sizes, list(zip(plain, named, strict=True))


def _whole(sample: Sample, tensors: set[str]) -> Sample:
    """A sample with its tensors."""
    return {name: torch.from_numpy(value) if name in tensors else value for name, value in sample.items()}


def _same_size(sizes: set[Size], before: Size | None) -> Size:
    all_sizes = sizes | ({before} if before else set())
    if len(all_sizes) > 1:
        raise NotCached("the network's inputs differ in size")
    (size,) = all_sizes
    return size


def seen(images: Any, view: str) -> Any:
    """Images as a test view shows them: `plain`, or `flip` = mirrored left to right."""
    return images.flip(-1) if view == "flip" else images


class _Pending:
    """Samples waiting until there are enough for a shard."""

    def __init__(self, folder: Path, rank: Rank, request: StoreRequest) -> None:
        self._folder, self._rank, self._request = folder, rank, request
        self.shards: dict[str, str] = {}
        self._clear()

    def _clear(self) -> None:
        self._indices: list[int] = []
        self._samples: list[Sample] = []
        self._states: dict[str, list[State]] = {view: [] for view in self._request.views}
        self._bytes = 0

    def add(self, indices: Sequence[int], samples: Sequence[Sample], states: dict[str, State]) -> None:
        added = state_bytes(samples, states)
        if not self.shards and not self._indices:
            _check_room(added / len(indices) * len(self._request.data) * (self._request.passes - self._request.draw))
        self._indices += indices
        self._samples += samples
        for view, state in states.items():
            self._states[view].append(state)
        self._bytes += added
        if self._bytes >= SHARD_BYTES:
            self.write()

    def write(self) -> None:
        if self._indices:
            name = f"{self._rank.rank:04d}-{len(self.shards):05d}.safetensors"
            self.shards[name] = write_shard(self._folder / name, self._indices, self._samples, self._states)
            self._clear()


def _check_room(needed: float) -> None:
    free = shutil.disk_usage(trunk_folder()).free
    if needed > FREE_SHARE * free:
        raise NotCached(
            f"it would take {needed / 1e9:,.1f} GB and {free / 1e9:,.1f} GB are free in {trunk_folder()}; "
            "HUMANBENCH_CACHE names another place"
        )


def _unwritable(error: OSError) -> str:
    place = f": {error.filename}" if error.filename else ""
    return f"the cache cannot be written ({error.strerror}{place})"


def _index(request: StoreRequest, shards: dict[str, str], size: Size | None) -> dict[str, Any]:
    """What `store.json` says: what the store is of, and the hash of each shard."""
    return request.content | {
        "input_size": size or (0, 0),
        "draw": request.draw,
        "views": request.views,
        "shards": shards,
    }


def _join(places: Sequence[Path], folder: Path, index: dict[str, Any]) -> None:
    """Bring the shards of all processes together and give the store its name."""
    first = places[0]
    for place in places[1:]:
        for shard in place.glob("*.safetensors"):
            os.replace(shard, first / shard.name)
    (first / INDEX).write_text(json.dumps(index, indent=1), encoding="utf-8")
    try:
        os.rename(first, folder)
    except OSError:
        if not (folder / INDEX).is_file():  # else another run has filled it meanwhile
            raise
