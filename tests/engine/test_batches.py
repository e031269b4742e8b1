"""How batches are shared among processes."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from humanbench.cards import load_card
from humanbench.data.samples import load_samples
from humanbench.engine import batches as batches_module
from humanbench.engine.batches import (
    TrainingBatches,
    WorkerError,
    affordable_workers,
    batches_of_rank,
    loaded,
    ordered_batches,
    portion,
)
from humanbench.engine.devices import Rank
from humanbench.recipes import load_recipe
from humanbench.tasks.training import training_of
from tests.engine.toy import FAST, toy_backbone


@given(st.lists(st.integers(), min_size=1, max_size=40), st.integers(1, 7))
def test_portions_are_of_one_size_and_leave_nobody_out(batch: list[int], processes: int) -> None:
    parts = [portion(batch, Rank(rank, processes)) for rank in range(processes)]
    assert len({len(part) for part in parts}) == 1
    together = [index for part in parts for index in part]
    assert together[: len(batch)] == batch
    assert len(together) - len(batch) < processes


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_every_test_sample_goes_to_one_process_in_the_same_batch(processes: int) -> None:
    recipe = load_recipe(load_card("pa100k"), "head", "mini")
    whole = ordered_batches(150, recipe)
    shared = [batches_of_rank(whole, Rank(rank, processes)) for rank in range(processes)]
    assert sorted(batch for part in shared for batch in part) == whole
    assert [index for batch in whole for index in batch] == list(range(150))


def test_pictures_of_different_sizes_are_tested_one_by_one() -> None:
    recipe = load_recipe(load_card("crowdhuman"), "head", "mini")
    assert ordered_batches(3, recipe) == [[0], [1], [2]]


def test_workers_end_with_the_batches(data_root: Path) -> None:
    """They hold a copy of the tables each, and the test starts its own."""
    card = load_card("pa100k")
    recipe = load_recipe(card, "full", "mini", overrides=FAST["attribute"])
    tables = {"train": load_samples(card, "train", data_root)}
    backbone = toy_backbone()
    data = training_of(card).training_data(card, tables, recipe, backbone.preprocessing, 0)
    batches = TrainingBatches(data, recipe, 0, Rank(), training_of(card).collate, 2, False)
    before = set(multiprocessing.active_children())
    assert len(list(batches.epoch(0))) == len(batches.of_epoch(0))
    children = set(multiprocessing.active_children()) - before
    assert len(children) == 2
    batches.close()
    assert not children & set(multiprocessing.active_children())


class Pictures:
    """Four pictures of 3 x 100 x 100; what happens when the third is read in a worker is up to `trouble`."""

    def __init__(self, trouble: Any = None) -> None:
        self.trouble, self.home = trouble, os.getpid()

    def __len__(self) -> int:
        return 4

    def set_epoch(self, epoch: int) -> None:
        pass

    def __getitem__(self, index: int) -> dict[str, Any]:
        if index == 2 and self.trouble is not None and os.getpid() != self.home:
            self.trouble()
        return {"image": torch.zeros(3, 100, 100), "index": index}

    def batches(self, batch_size: int, seed: int, epoch: int) -> list[list[int]]:
        return [[0, 1], [2, 3]]


def stacked(samples: Any) -> dict[str, Any]:
    return {"image": torch.stack([s["image"] for s in samples]), "index": torch.tensor([s["index"] for s in samples])}


@pytest.mark.parametrize(
    ("free", "ranks", "affordable"), [(10**12, 1, 4), (2 * 3 * 10 * 120_000 * 4, 1, 4), (2 * 3 * 10 * 120_000, 1, 1),
     (2 * 3 * 10 * 120_000 * 4, 2, 2), (1000, 1, 0)]
)  # fmt: skip
def test_workers_are_as_many_as_find_room_for_their_batches(
    monkeypatch: pytest.MonkeyPatch, free: int, ranks: int, affordable: int
) -> None:
    """A batch of 10 pictures takes 1.2 MB (and 80 bytes); a worker holds up to 3; half of the room is for others."""
    monkeypatch.setattr(
        batches_module.shutil, "disk_usage", lambda place: shutil._ntuple_diskusage(free, 0, free + 4000)
    )
    warnings: list[str] = []
    assert affordable_workers(Pictures(), stacked, 4, 10, Rank(0, ranks), warnings.append) == affordable
    assert len(warnings) == (affordable < 4)
    assert all(f"{affordable} of 4 processes read images" in text and "--shm-size" in text for text in warnings)


def read(data: Pictures, workers: int = 2) -> list[Any]:
    draws = [[(0, index) for index in batch] for batch in data.batches(2, 0, 0)]
    return list(loaded(data, draws, stacked, workers, False, rank=Rank(), say=print))


def test_with_little_shared_memory_batches_come_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches_module.shutil, "disk_usage", lambda place: shutil._ntuple_diskusage(0, 0, 0))
    assert [batch["index"].tolist() for batch in read(Pictures())] == [[0, 1], [2, 3]]


@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        (lambda: time.sleep(3600), "delivered no batch in 1 seconds"),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "ended unexpectedly"),
        (lambda: os.kill(os.getpid(), signal.SIGBUS), "ended unexpectedly"),
    ],
    ids=["a batch that is lost", "a worker that is killed", "no shared memory"],
)
def test_workers_that_deliver_nothing_end_the_reading(
    monkeypatch: pytest.MonkeyPatch, trouble: Any, message: str
) -> None:
    monkeypatch.setattr(batches_module, "WORKER_TIMEOUT", 1.0 if "delivered" in message else 60.0)
    with pytest.raises(WorkerError, match=rf"{message}.*--workers 0"):
        read(Pictures(trouble))
