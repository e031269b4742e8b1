"""Entries and boards: what stands together, what never does, what stays the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from humanbench.cards import collection
from humanbench.errors import HumanbenchError
from humanbench.leaderboard.model.boards import boards
from humanbench.leaderboard.model.entries import conflicts, entries_of, pretraining_text, seen_by
from humanbench.leaderboard.site.build import gather
from humanbench.leaderboard.submissions.claims import between_results
from tests.leaderboard.made import made_result, made_run

PATH = ("imagenet-1k", *(card.id for card in collection("full")))


def test_a_row_is_a_backbone_in_a_regime() -> None:
    entries = entries_of([*made_run("mae_vitb"), *made_run("mae_vitb", "full"), *made_run("clip_vitb")], seen_by)
    assert [(e.backbone, e.board.regime, len(e.scores)) for e in entries] == [
        ("mae_vitb", "partial", 19),
        ("mae_vitb", "full", 19),
        ("clip_vitb", "partial", 19),
    ]


@pytest.mark.parametrize(
    "other",
    [
        {"regime": "full"},
        {"synthetic": True},
        {"subset": "first100"},
        {"suite": "mini"},
        {"variant": "paper"},
    ],
)
def test_other_conditions_are_another_board(other: dict[str, object]) -> None:
    dataset = "crowdhuman" if "variant" in other else "market1501"
    if "variant" in other:
        from humanbench.recipes import variants

        other = {"variant": next(name for name, only in variants("detection").items() if not only or dataset in only)}
    usual, changed = made_result(dataset), made_result(dataset, "clip_vitb", **other)  # type: ignore[arg-type]
    found = boards(entries_of([usual, changed], seen_by))
    assert [len(board.entries) for board in found] == [1, 1]
    assert len({board.key.slug for board in found}) == 2


def test_an_own_recipe_is_another_board() -> None:
    usual = made_result()
    cell = made_result(backbone="clip_vitb").cell.model_copy(update={"recipe_sha256": "0" * 64})
    changed = made_result(backbone="clip_vitb").model_copy(update={"cell": cell})
    assert [b.key.recipe for b in boards(entries_of([usual, changed], seen_by))] == ["shipped", "own"]


def test_two_recipes_of_a_cell_have_no_mean(tmp_path: Path) -> None:
    """Neither the mean of both nor one of them is the entry's number; runs that hold both are refused."""
    own = [made_result(seed=seed, value=value) for seed, value in ((0, 50.0), (1, 60.0))]
    own = [r.model_copy(update={"cell": r.cell.model_copy(update={"recipe_sha256": str(r.seed) * 64})}) for r in own]
    (entry,) = entries_of([*own, made_result("lip")], seen_by)[:1]
    assert (entry.board.recipe, entry.scores, entry.others) == ("own", {}, tuple(own))
    sentence = "market1501, partial, of mae_vitb: there are results of it that differ in recipe"
    assert list(conflicts(own)) == [sentence]
    assert next(iter(between_results(own))) == sentence
    for one in own:
        (tmp_path / "results").mkdir(exist_ok=True)
        (tmp_path / "results" / f"{one.cell.id[:12]}.json").write_text(one.to_json())
    with pytest.raises(HumanbenchError, match="differ in recipe; name one results file"):
        gather([tmp_path])
    assert list(conflicts([made_result(seed=0), made_result(seed=1)])) == []


def test_a_run_whose_backbone_is_damaged_is_named(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "a.json").write_text(made_result().to_json())
    (tmp_path / "backbone.json").write_text("not json")
    with pytest.raises(HumanbenchError, match=r"backbone\.json: not a proper JSON file") as refused:
        gather([tmp_path])
    assert str(refused.value).startswith(f"{tmp_path}: ")
    assert refused.value.exit_code == 2


def test_recipes_that_come_with_dumps_are_one_board() -> None:
    """Direct evaluation: each head is tested as its pretraining made it, so its recipe is never an own one."""
    known = made_result("market1501", regime="none", variant="direct")
    other = made_result("crowdhuman", regime="none", variant="direct")
    cell = other.cell.model_copy(update={"recipe_sha256": "0" * 64})
    (board,) = boards(entries_of([known, other.model_copy(update={"cell": cell})], seen_by))
    assert [sorted(entry.scores) for entry in board.entries] == [["crowdhuman", "market1501"]]
    assert board.key.labels == ("variant direct",)


def test_rescored_and_claimed_numbers_are_ranked_apart() -> None:
    """Two datasets, one of them rescored: the entry is in both rankings, with one column in each."""
    results = [made_result("market1501"), made_result("msmt17"), made_result("market1501", "clip_vitb")]
    evidence = {results[0].cell.id: "rescored"}
    (board,) = boards(entries_of(results, seen_by, evidence))  # type: ignore[arg-type]
    rescored, claimed = board.ranked()
    assert [(e.backbone, list(e.scores)) for e in rescored.entries] == [("mae_vitb", ["market1501"])]
    assert [(e.backbone, list(e.scores)) for e in claimed.entries] == [
        ("mae_vitb", ["msmt17"]),
        ("clip_vitb", ["market1501"]),
    ]


def test_one_seed_that_is_only_claimed_makes_the_mean_claimed() -> None:
    results = [made_result(seed=0), made_result(seed=1)]
    (entry,) = entries_of(results, seen_by, {results[0].cell.id: "rescored"})
    assert entry.scores["market1501"].evidence == "claimed"


def test_the_spread_between_seeds_is_part_of_the_interval() -> None:
    """Two seeds, 80 +- 1 and 84 +- 2 of mAP.

    Test units: the mean half interval, 1.5. Seeds: squares 2 x 2^2 = 8, one degree of freedom; 0.3 points are assumed
    with 8 degrees. Factor (8 + 8 / 0.09) / 9 = 10.765, variance (8 x 10.765 x 0.09 + 8) / 9 = 1.7501. The mean of two
    has sqrt(1.7501 / 2) = 0.93544, times 2.26216 (t, 9 degrees) = 2.11611. Together sqrt(1.5^2 + 2.11611^2) = 2.59384.
    """
    results = [made_result(value=80.0, half=1.0, seed=1), made_result(value=84.0, half=2.0, seed=0)]
    (entry,) = entries_of(results, seen_by)
    score = entry.scores["market1501"]
    assert (score.value, score.low, score.high) == pytest.approx((82.0, 79.40616, 84.59384), abs=1e-5)
    assert [r.seed for r in score.results] == [0, 1]


def test_the_permanent_name_does_not_change_when_cells_are_added() -> None:
    before, after = entries_of([made_result("lip")], seen_by), entries_of(made_run("mae_vitb"), seen_by)
    assert before[0].id == after[0].id
    assert before[0].id != entries_of([made_result("lip", "clip_vitb")], seen_by)[0].id


def test_a_scenario_board_holds_its_cells_alone() -> None:
    (board,) = boards(entries_of([*made_run("path_vitb", seen=PATH), *made_run("mae_vitb")], seen_by))
    assert board.scenarios() == ["in-dataset", "out-of-dataset", "unseen-task"]
    (inside,) = board.ranked("in-dataset")
    assert [e.backbone for e in inside.entries] == ["path_vitb"]
    assert (len(inside.columns), len(board.ranked("out-of-dataset")[0].columns)) == (12, 5)
    (unseen,) = board.ranked("unseen-task")
    assert {e.backbone: len(e.scores) for e in unseen.entries} == {"path_vitb": 2, "mae_vitb": 19}


def test_what_failed_or_is_undefined_is_on_record_without_a_rank() -> None:
    failed = made_result(status="failed", reason="out of memory", metrics={}, main="")
    undefined = made_result("msmt17", value=float("nan"))
    (entry,) = entries_of([failed, undefined, made_result("cuhk03")], seen_by)
    assert list(entry.scores) == ["cuhk03"]
    assert {r.dataset for r in entry.others} == {"market1501", "msmt17"}


def test_withdrawn_entries_are_on_no_board() -> None:
    (entry,) = entries_of([made_result()], seen_by, withdrawn="wrong weights")
    assert boards([entry]) == []


def test_pretraining_in_few_words() -> None:
    assert pretraining_text(None) == "undisclosed"
    assert pretraining_text(()) == "nothing"
    assert pretraining_text(PATH) == "HumanBench 37 + imagenet-1k"
    assert pretraining_text(tuple("abcdef")) == "a + b + c + 3 more"
