"""Ranks and their uncertainty, on tables small enough to work out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from humanbench.leaderboard.model import ranking
from humanbench.leaderboard.model.boards import boards
from humanbench.leaderboard.model.entries import entries_of, seen_by
from humanbench.leaderboard.model.ranking import rank_entries
from humanbench.results.apart import ColumnNumbers
from humanbench.results.cells import CellNumber
from humanbench.results.counted import surely_counts
from humanbench.results.noise import Trained
from tests.leaderboard.made import made_result

NAN = float("nan")


def ranked(values: list[list[float]], half: float, higher: list[bool] | None = None):  # type: ignore[no-untyped-def]
    """Rank entries whose numbers are as certain as many test units make them, and moved by no training seed."""
    way = np.array(higher or [True] * len(values[0]))
    return rank_entries([[number(value, half, half) for value in row] for row in values], way)


def number(value: float, below: float, above: float) -> CellNumber | None:
    """A number of a metric in percent with these half intervals."""
    if np.isnan(value):
        return None
    untrained = Trained("mAP", "humanbench-v1", (value,), trained=False)
    return CellNumber(value, value - below, value + above, below, above, 10**9, 1, untrained, 0.0, 0, 0.0)


def test_ranks_of_a_column_by_its_direction() -> None:
    up = ranked([[80.0], [90.0], [70.0]], 1.0)
    down = ranked([[80.0], [90.0], [70.0]], 1.0, [False])
    assert up.columns[0].rank.tolist() == [2, 1, 3]
    assert down.columns[0].rank.tolist() == [2, 3, 1]
    assert up.order.tolist() == [1, 0, 2]


def test_what_lies_within_both_intervals_is_a_tie() -> None:
    """Half intervals of 1: two differ surely above sqrt(2) = 1.414. 90.0 and 89.0 do not, 90.0 and 88.0 do, and
    89.0 and 88.0 do not: so ranks 1-2, 1-3, 2-3, and 80 is last for sure."""
    column = ranked([[90.0], [89.0], [88.0], [80.0]], 1.0).columns[0]
    assert column.low.tolist() == [1, 1, 2, 4]
    assert column.high.tolist() == [2, 3, 3, 4]


def test_the_half_intervals_that_face_each_other_decide() -> None:
    """80 (78..80.1) below 81 (80.9..90): sqrt(0.1^2 + 0.1^2) = 0.14 < 1, though the other sides are wide."""
    near, far = (
        ([number(81.0, 0.1, 9.0)], [number(80.0, 2.0, 0.1)]),
        ([number(81.0, 2.0, 0.1)], [number(80.0, 0.1, 2.0)]),
    )
    way = np.array([True])
    assert rank_entries(near, way).columns[0].apart(0, 1)
    assert not rank_entries(far, way).columns[0].apart(0, 1)


def test_equal_values_share_the_better_rank() -> None:
    column = ranked([[90.0], [90.0], [80.0]], 0.5).columns[0]
    assert column.rank.tolist() == [1, 1, 3]


def test_an_absent_value_counts_as_shared_last() -> None:
    """Columns: A 1, B 2, C absent = 3; and A absent, B absent (both 2.5), C 1. Means 1.75, 2.25, 2.0."""
    table = ranked([[90.0, NAN], [80.0, NAN], [NAN, 60.0]], 0.1)
    assert table.mean_rank.tolist() == [1.75, 2.25, 2.0]
    assert table.order.tolist() == [0, 2, 1]
    assert table.columns[1].rank.tolist() == [0, 0, 1]


def test_leaving_out_a_bad_cell_does_not_help() -> None:
    complete = ranked([[90.0, 50.0], [80.0, 60.0], [70.0, 55.0]], 0.1)
    without = ranked([[90.0, NAN], [80.0, 60.0], [70.0, 55.0]], 0.1)
    assert without.mean_rank[0] >= complete.mean_rank[0]


def test_neighbours_are_tied_when_their_scores_are_and_not_when_far_apart() -> None:
    near = ranked([[90.0] * 3, [89.9] * 3, [70.0] * 3], 1.0)
    assert near.tied.tolist() == [True, False, False]
    assert (near.low.tolist(), near.high.tolist()) == ([1, 1, 3], [2, 2, 3])


def test_same_input_gives_the_same_ranking() -> None:
    values = np.random.default_rng(1).normal(80, 1, (12, 5)).tolist()
    assert ranked(values, 1.0).low.tolist() == ranked(values, 1.0).low.tolist()


def test_absurd_numbers_do_no_harm() -> None:
    table = ranked([[1e308], [80.0], [float("inf")], [-1e308]], 0.5)
    assert table.columns[0].rank.tolist() == [1, 2, 0, 3]
    assert table.order.tolist()[:2] == [0, 1]


@given(st.lists(st.lists(st.one_of(st.just(NAN), st.floats(0, 100)), min_size=3, max_size=3), min_size=1, max_size=8))
def test_intervals_hold_the_rank(values: list[list[float]]) -> None:
    table = ranked(values, 2.0)
    assert (table.low <= table.rank).all()
    assert (table.rank <= table.high).all()
    assert sorted(table.order.tolist()) == list(range(len(values)))
    for column in table.columns:
        there = column.rank > 0
        assert (column.low[there] >= 1).all()
        assert (column.low <= column.rank).all()
        assert (column.rank <= column.high).all()
        assert (column.high <= there.sum()).all()


def test_a_single_entry_is_first() -> None:
    table = ranked([[80.0, NAN]], 1.0)
    assert (table.rank[0], table.low[0], table.high[0], bool(table.tied[0])) == (1, 1, 1, False)
    assert table.mean_rank[0] == pytest.approx(1.0)


def odd_column(size: int, seed: int) -> ColumnNumbers:
    """Cells of all kinds: untrained, of several seeds, of unknown intervals, of few units, equal to others."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(size):
        value = 60.0 if rng.random() < 0.1 else 60 + 4 * rng.normal()
        half = NAN if rng.random() < 0.05 else float(abs(rng.normal()))
        seeds = int(rng.integers(1, 4))
        values = tuple(value + 0.3 * rng.normal(size=seeds))
        of = Trained("mAP", "humanbench-v1", values, trained=bool(rng.random() < 0.8))
        units = int(rng.choice([1, 5, 1000]))
        made.append(
            CellNumber(value, value - half, value + half, half, 2 * half, units, seeds, of, rng.random(), 2, 0.0)
        )
    return ColumnNumbers(made, 19)


@pytest.mark.parametrize("size", [0, 1, 16, 17, 400])
def test_counts_by_blocks_are_those_of_all_pairs(size: int) -> None:
    column, every = odd_column(size, size), np.arange(size)
    pairs = column.surely_above(every[:, None], every[None, :])
    above, below = surely_counts(column)
    assert above.tolist() == pairs.sum(axis=1).tolist()
    assert below.tolist() == pairs.sum(axis=0).tolist()


def test_of_many_entries_few_pairs_are_judged_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[int] = []
    least = ColumnNumbers.least

    def counted(self: ColumnNumbers, less: np.ndarray, more: np.ndarray) -> np.ndarray:
        found = least(self, less, more)
        judged.append(found.size)
        return found

    monkeypatch.setattr(ColumnNumbers, "least", counted)
    rng, shares = np.random.default_rng(0), []
    for size in (1000, 4000):
        judged.clear()
        values = rng.normal(60, 4, size)
        ranked([[value] for value in values], 1.0)
        shares.append(sum(judged) / size**2)
    assert shares[1] < shares[0] / 2 < 0.05


def test_a_column_that_is_part_of_several_tables_is_ranked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The board of a task and that of a scenario have columns of the whole one."""
    names = ("lip", "pa100k", "cihp")
    results = [made_result(name, f"timm:net_{i}", value=60.0 + i) for i in range(3) for name in names]
    (board,) = boards(entries_of(results, seen_by))
    made: list[int] = []
    counts = ranking.surely_counts
    monkeypatch.setattr(ranking, "surely_counts", lambda column: made.append(1) or counts(column))
    whole, part = board.ranked()[0], board.only(["lip", "cihp"]).ranked()[0]
    board.ranked(board.scenarios()[0])
    assert len(made) == 3
    assert part.ranking.columns[0] is whole.ranking.columns[whole.columns.index(part.columns[0])]
