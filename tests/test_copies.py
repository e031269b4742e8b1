"""Which procedural copy a number was measured on: copies that are drawn otherwise are never compared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from humanbench.comparison.matching import ground_of, incompatible
from humanbench.comparison.report import board_of
from humanbench.data.samples import MARKER, procedural_copy
from humanbench.leaderboard.model.boards import boards
from humanbench.leaderboard.model.entries import entries_of
from humanbench.leaderboard.site.rawdata import COLUMNS, rows_of
from humanbench.paths import shipped
from humanbench.results import Result, load_results
from humanbench.results.cells import labels
from tests.leaderboard.made import made_result

HARDER = "mini-1, difficulty 0.5"


def synthetic(backbone: str = "a", copy: str = "mini-1", **fields: object) -> Result:
    return made_result("pa100k", backbone, suite="mini", synthetic=True, procedural=copy, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("marker", "words"),
    [
        (None, ""),
        ({"seed": 0, "scale": 1.0}, "mini-1"),
        ({"seed": 0, "scale": 1}, "mini-1"),
        ({"seed": 3, "scale": 0.05}, "mini-1, seed 3, scale 0.05"),
        ({"seed": 0, "scale": 1.0, "difficulty": 0.5}, "mini-1, difficulty 0.5"),
        ({"seed": 4294967295, "scale": 12.345678}, "mini-1, seed 4294967295, scale 12.345678"),
        ({"seed": 0, "scale": 1.0, "suite": 2}, "mini-2"),
        ({"splits": {}}, "mini-1"),
        ({"seed": "many"}, "unknown copy"),
        ([], "unknown copy"),
    ],
)
def test_the_marker_says_how_it_was_drawn(marker: object, words: str, tmp_path: Path) -> None:
    if marker is not None:
        (tmp_path / MARKER).write_text(json.dumps(marker))
    assert procedural_copy(tmp_path) == words


def test_a_marker_that_is_no_json_is_an_unknown_copy(tmp_path: Path) -> None:
    (tmp_path / MARKER).write_text("{")
    assert procedural_copy(tmp_path) == "unknown copy"


def test_results_of_other_copies_are_not_compared_though_their_labels_are_alike() -> None:
    """Attributes of crops are the same at any difficulty; what is seen of them is not."""
    assert list(incompatible(synthetic(), synthetic("b"))) == []
    assert list(incompatible(synthetic(), synthetic("b", HARDER))) == [
        "different procedural copies (mini-1 against mini-1, difficulty 0.5)"
    ]
    assert ground_of(synthetic()) == ground_of(synthetic(copy="")) != ground_of(synthetic(copy=HARDER))


def test_results_that_do_not_say_it_are_of_the_first_copy() -> None:
    old = synthetic(copy="")
    assert (old.copy_of_data, made_result("pa100k").copy_of_data) == ("mini-1", "")
    assert list(incompatible(old, synthetic("b"))) == []
    assert list(incompatible(old, synthetic("b", "mini-2"))) == ["different procedural copies (mini-1 against mini-2)"]
    assert {r.copy_of_data for r in load_results(shipped("baselines") / "results" / "mini_path-head")} == {"mini-1"}


def test_each_kind_of_copy_has_a_board_of_its_own() -> None:
    """The first one keeps its address and its entries their ids; the others say what they are."""
    made = [synthetic("a", ""), synthetic("b"), synthetic("c", HARDER), synthetic("d", "mini-2"), made_result("pa100k")]
    entries = entries_of(made, lambda _: ())
    by_slug = {board.key.slug: board for board in boards(entries)}
    keyed = {key: sorted(e.backbone for e in board.entries) for key, board in by_slug.items()}
    assert keyed.pop("mini-partial-synthetic") == ["a", "b"]
    assert keyed.pop("humanbench-v1-partial") == ["mae_vitb"]
    harder, second = sorted(keyed)
    assert harder.startswith("mini-partial-synthetic-mini-1-difficulty-0")
    assert second.startswith("mini-partial-synthetic-mini-2-")
    assert (keyed[harder], keyed[second]) == (["c"], ["d"])
    assert by_slug[harder].key.labels == ("synthetic", HARDER)
    one, other = entries_of([synthetic()], lambda _: ()), entries_of([synthetic(copy="")], lambda _: ())
    assert one[0].id == other[0].id != entries_of([synthetic(copy=HARDER)], lambda _: ())[0].id


def test_raw_data_of_a_site_name_the_copy() -> None:
    made = [synthetic("a", ""), synthetic("b"), synthetic("c", HARDER), synthetic("d", "mini-2"), made_result("pa100k")]
    rows = list(rows_of(entries_of(made, lambda _: ())))
    copies = {"a": "mini-1", "b": "mini-1", "c": HARDER, "d": "mini-2", "mae_vitb": ""}
    assert {row["backbone"]: row["procedural"] for row in rows} == copies
    assert list(rows[0]) == list(COLUMNS)


def test_labels_name_a_copy_that_is_not_the_first() -> None:
    assert labels(synthetic()) == ["synthetic"]
    assert labels(synthetic(copy=HARDER)) == ["synthetic", HARDER]
    assert board_of(synthetic()) == "mini, partial, synthetic"
    assert board_of(synthetic(copy=HARDER)) == "mini, partial, synthetic, mini-1, difficulty 0.5"
