"""How batches are shared among processes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from humanbench.cards import load_card
from humanbench.engine.feeds import Share, ordered_batches, portion, share_batches
from humanbench.recipes import load_recipe


@given(st.lists(st.integers(), min_size=1, max_size=40), st.integers(1, 7))
def test_portions_are_of_one_size_and_leave_nobody_out(batch: list[int], processes: int) -> None:
    parts = [portion(batch, Share(rank, processes)) for rank in range(processes)]
    assert len({len(part) for part in parts}) == 1
    together = [index for part in parts for index in part]
    assert together[: len(batch)] == batch
    assert len(together) - len(batch) < processes


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_every_test_sample_goes_to_one_process_in_the_same_batch(processes: int) -> None:
    recipe = load_recipe(load_card("pa100k"), "head", "mini")
    whole = ordered_batches(150, recipe)
    shared = [share_batches(whole, Share(rank, processes)) for rank in range(processes)]
    assert sorted(batch for part in shared for batch in part) == whole
    assert [index for batch in whole for index in batch] == list(range(150))


def test_pictures_of_different_sizes_are_tested_one_by_one() -> None:
    recipe = load_recipe(load_card("crowdhuman"), "head", "mini")
    assert ordered_batches(3, recipe) == [[0], [1], [2]]
