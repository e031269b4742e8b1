"""The frozen-trunk cache: what a frozen trunk makes of images that do not change is computed once.

Content-addressed: weights, architecture, transform, pixels and labels are in the key, so a change of any of them
misses. The cache is never needed: where it does not fit or does not apply, work goes on from images, and the result
says why.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from accelerate.utils import send_to_device
from torch import Tensor

from humanbench.engine.feeds import Collate, Share, loader, ordered_batches, share_batches
from humanbench.engine.finetune import Finetune
from humanbench.engine.launch import gathered, share_of
from humanbench.engine.shards import INDEX, State, Store, state_bytes, write_shard
from humanbench.hashing import key
from humanbench.paths import cache_folder
from humanbench.recipes import Recipe
from humanbench.run_log import RunLog
from humanbench.tasks.training import Sample, TaskDataset

if TYPE_CHECKING:
    from accelerate import Accelerator

Size = tuple[int, int]

SHARD_BYTES = 128 * 2**20
FREE_SHARE = 0.5
"""The cache takes at most this share of what is free on its disk."""


class NotCached(Exception):
    """Why trunk outputs are not stored, as a clause."""


@dataclass(frozen=True)
class Wanted:
    """Trunk outputs of one pass over a data set.

    `draw`: the number of the fixed augmentation. `views`: names of test views. `passes`: how many passes like this
    the cell needs (for the size estimate). `about`: everything that decides what comes out.
    """

    data: TaskDataset
    draw: int
    views: tuple[str, ...]
    passes: int
    about: dict[str, Any]

    @property
    def key(self) -> str:
        return key(self.about, self.draw, list(self.views))


def trunk_folder() -> Path:
    """Where stores lie, one folder per key."""
    return cache_folder() / "trunk"


class TrunkCache:
    """Finds or fills stores for a model."""

    def __init__(
        self,
        accelerator: Accelerator,
        model: Finetune,
        recipe: Recipe,
        collate: Collate,
        workers: int,
        log: RunLog,
    ) -> None:
        self._accelerator, self._model, self._recipe = accelerator, model, recipe
        self._collate, self._workers, self._log = collate, workers, log
        self._share = share_of(accelerator)

    def store(self, wanted: Wanted) -> Store:
        """The store, filled first if need be (by all processes together); raises `NotCached` on every process alike."""
        folder = trunk_folder() / wanted.key
        if not any(gathered(self._accelerator, (folder / INDEX).is_file())):
            self._fill(wanted, folder)
        return Store(folder)

    def _fill(self, wanted: Wanted, folder: Path) -> None:
        own = trunk_folder() / f".{wanted.key}.{secrets.token_hex(4)}"
        try:
            try:
                own.mkdir(parents=True)
                self._write(wanted, own)
                refused = None
            except NotCached as reason:
                refused = str(reason)
            except OSError as error:
                refused = f"the cache cannot be written ({error.strerror})"
            reports = gathered(self._accelerator, (refused, own))
            reasons = [reason for reason, _ in reports if reason]
            if reasons:
                raise NotCached(reasons[0])
            if self._accelerator.is_main_process:
                _join([place for _, place in reports], folder)
            gathered(self._accelerator, None)
        finally:
            shutil.rmtree(own, ignore_errors=True)

    def _write(self, wanted: Wanted, folder: Path) -> None:
        """Write this process's batches as shards."""
        batches = share_batches(ordered_batches(len(wanted.data), self._recipe), self._share)
        draws = [[(wanted.draw, index) for index in batch] for batch in batches]
        pin = self._accelerator.device.type == "cuda"
        parts = loader(wanted.data, draws, partial(_parted, self._collate), self._workers, pin)
        pending = _Pending(folder, self._share, wanted)
        size: Size | None = None
        text = "frozen trunk" + (f", view {wanted.draw + 1} of {wanted.passes}" if wanted.passes > 1 else "")
        with self._log.bar(text, len(batches)) as advance:
            for indices, (images, sizes, rest) in zip(batches, parts, strict=True):
                size = _same_size(sizes, size)
                pending.add(indices, [_whole(*one) for one in rest], self._states(images, wanted.views))
                advance(len(indices))
        pending.write()
        about = wanted.about | {"input_size": size or (0, 0), "draw": wanted.draw, "views": wanted.views}
        (folder / INDEX).write_text(json.dumps(about, indent=1), encoding="utf-8")

    def _states(self, images: Tensor, views: Sequence[str]) -> dict[str, State]:
        self._model.eval()
        moved = send_to_device(images, self._accelerator.device)
        with self._accelerator.autocast():
            return {v: tuple(t.cpu() for t in self._model.trunk(seen(moved, v))) for v in views}


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
    found = sizes | ({before} if before else set())
    if len(found) > 1:
        raise NotCached("the network's inputs differ in size")
    (one,) = found
    return one


def seen(images: Any, view: str) -> Any:
    """Images as a test view shows them: `plain`, or `flip` = mirrored left to right."""
    return images.flip(-1) if view == "flip" else images


class _Pending:
    """Samples waiting until there are enough for a shard."""

    def __init__(self, folder: Path, share: Share, wanted: Wanted) -> None:
        self._folder, self._share, self._wanted = folder, share, wanted
        self._written = 0
        self._clear()

    def _clear(self) -> None:
        self._indices: list[int] = []
        self._samples: list[Sample] = []
        self._states: dict[str, list[State]] = {view: [] for view in self._wanted.views}
        self._bytes = 0

    def add(self, indices: Sequence[int], samples: Sequence[Sample], states: dict[str, State]) -> None:
        added = state_bytes(samples, states)
        if not self._written and not self._indices:
            _check_room(added / len(indices) * len(self._wanted.data) * (self._wanted.passes - self._wanted.draw))
        self._indices += indices
        self._samples += samples
        for view, state in states.items():
            self._states[view].append(state)
        self._bytes += added
        if self._bytes >= SHARD_BYTES:
            self.write()

    def write(self) -> None:
        if self._indices:
            name = f"{self._share.rank:04d}-{self._written:05d}.safetensors"
            write_shard(self._folder / name, self._indices, self._samples, self._states)
            self._written += 1
            self._clear()


def _check_room(needed: float) -> None:
    free = shutil.disk_usage(trunk_folder()).free
    if needed > FREE_SHARE * free:
        raise NotCached(
            f"it would take {needed / 1e9:,.1f} GB and {free / 1e9:,.1f} GB are free in {trunk_folder()}; "
            "HUMANBENCH_CACHE names another place"
        )


def _join(places: Sequence[Path], folder: Path) -> None:
    """Bring the shards of all processes together and give the store its name."""
    first = places[0]
    for place in places[1:]:
        for shard in place.glob("*.safetensors"):
            os.replace(shard, first / shard.name)
    try:
        os.rename(first, folder)
    except OSError:
        if not (folder / INDEX).is_file():  # else another run has filled it meanwhile
            raise
