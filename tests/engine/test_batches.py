"""How batches are shared among processes."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from humanbench.cards import load_card
from humanbench.data.samples import load_samples
from humanbench.engine.batches import ImageBatches, batches_of_rank, ordered_batches, portion
from humanbench.engine.devices import Rank
from humanbench.recipes import load_recipe
from humanbench.tasks.registry import task_for
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
    data = task_for(card).training.training_data(card, tables, recipe, backbone.preprocessing, 0)
    batches = ImageBatches(data, recipe, 0, Rank(), task_for(card).training.collate, 2, False)
    before = set(multiprocessing.active_children())
    assert len(list(batches.epoch(0))) == len(batches.of_epoch(0))
    own = set(multiprocessing.active_children()) - before
    assert len(own) == 2
    batches.close()
    assert not own & set(multiprocessing.active_children())
