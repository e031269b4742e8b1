"""Board, compare, export and command line say the same of the same runs, and never contradict each other."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest

import humanbench
from humanbench.cards import load_card
from humanbench.cli.eval import _show
from humanbench.export import export
from humanbench.leaderboard.model.boards import boards
from humanbench.leaderboard.model.entries import entries_of, seen_by
from humanbench.leaderboard.site.build import build
from humanbench.results import Result, load_results
from humanbench.results.columns import benchmark_columns
from tests.evaluated import write_dataset
from tests.leaderboard.made import made_result
from tests.made_runs import write_run

NAMES = ("pa100k", "shanghaitech_a")


def test_all_of_them_show_one_interval_of_the_same_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`one` has three seeds, `two` a single one."""
    for name in NAMES:
        write_dataset(load_card(name), tmp_path / "data")
    one = write_run(tmp_path / "one", tmp_path / "data", NAMES, 0.4, seeds=(0, 1, 2))
    two = write_run(tmp_path / "two", tmp_path / "data", NAMES, 0.8, seeds=(0,))
    numbers = {}
    for run in (one, two):
        for row in load_results(run).over_seeds().itertuples():
            numbers[run.name, str(row.dataset)] = (row.mean, row.low, row.high)
    assert len(numbers) == 4

    build([one, two], tmp_path / "site", data_root=tmp_path / "data")
    with (tmp_path / "site/data/results.csv").open() as file:
        board = {
            (r["backbone"], r["dataset"]): tuple(float(r[n]) for n in ("value", "low", "high"))
            for r in csv.DictReader(file)
        }
    assert board.keys() == numbers.keys()
    for cell, number in numbers.items():
        assert board[cell] == pytest.approx(number)

    report = json.loads(humanbench.compare(one, two, tmp_path / "data").to_json())
    for cell in report["cells"]:
        for side, run in (("base", "one"), ("new", "two")):
            said = tuple(cell[name] for name in (side, f"{side}_low", f"{side}_high"))
            assert said == pytest.approx(numbers[run, cell["dataset"]])

    table = export(one)
    for name in NAMES:
        mean, low, high = numbers["one", name]
        assert f"{mean:.1f} ± {(high - low) / 2:.1f}" in table

    for run in (one, two):
        _show(load_results(run), as_json=False)
        printed = capsys.readouterr().out
        for name in NAMES:
            mean, low, high = numbers[run.name, name]
            assert re.search(rf"{name} .*{mean:.2f} +{low:.2f} – {high:.2f}", printed), printed


def test_a_single_training_is_not_taken_for_all_of_them() -> None:
    """Units allow 79.9 to 80.1; training again moves mAP by 0.3 points, times 2.306 (t, 8 degrees) to either side."""
    (entry,) = entries_of([made_result(value=80.0, half=0.1)], seen_by)
    score = entry.scores["market1501"]
    assert score.number.half == pytest.approx((0.1**2 + (2.306 * 0.3) ** 2) ** 0.5, rel=1e-3)
    (entry,) = entries_of([made_result(value=80.0, half=0.1, regime="none")], seen_by)
    assert entry.scores["market1501"].number.half == pytest.approx(0.1)


def test_an_interval_stays_within_what_the_metric_can_be() -> None:
    (entry,) = entries_of(
        [made_result(value=99.9, half=0.05), made_result("shanghaitech_b", value=0.1, half=5.0)], seen_by
    )
    assert entry.scores["market1501"].high == 100
    assert entry.scores["shanghaitech_b"].low == 0


def pair_of_runs(rng: np.random.Generator, suite: str, seeds: int, effect: float) -> tuple[list[Result], list[Result]]:
    """Two backbones on all 19 datasets that differ by up to `effect` half intervals of test units."""
    runs: tuple[list[Result], list[Result]] = ([], [])
    for dataset in benchmark_columns():
        half = float(rng.uniform(0.5, 3))
        for run, name, shift in zip(runs, ("mae_vitb", "clip_vitb"), (0.0, rng.uniform(-effect, effect)), strict=True):
            for seed in range(seeds):
                value = 60 + half * (shift + 0.2 * float(rng.normal()))
                run.append(made_result(dataset, name, "head", seed, value, half, suite=suite))
    return runs


def write(folder: Path, results: list[Result]) -> Path:
    (folder / "results").mkdir(parents=True)
    for result in results:
        (folder / "results" / f"{result.dataset}-{result.seed}.json").write_text(result.to_json())
    return folder


@pytest.mark.parametrize(("suite", "seeds"), [("humanbench-v1", 1), ("mini", 1), ("mini", 3)])
def test_the_board_tells_nothing_apart_that_compare_does_not(tmp_path: Path, suite: str, seeds: int) -> None:
    rng = np.random.default_rng(4)
    apart = 0
    for number in range(6):
        base, new = pair_of_runs(rng, suite, seeds, 12.0)
        report = humanbench.compare(
            write(tmp_path / f"{number}-a", base), write(tmp_path / f"{number}-b", new), tmp_path / "nowhere"
        )
        verdicts = {cell.dataset: cell.verdict for cell in report.cells}
        (board,) = boards(entries_of([*base, *new], seen_by))
        (table,) = board.ranked()
        for dataset, ranks in zip(table.columns, table.ranking.columns, strict=True):
            if ranks.apart(*np.argsort(ranks.rank)):
                apart += 1
                assert verdicts[dataset] in ("better", "worse"), dataset
            else:
                assert ranks.low.tolist() == [1, 1]
    assert apart > 30


def test_a_part_of_a_board_is_as_careful_as_the_whole() -> None:
    """Two points on one of 19 datasets would be told apart if it were the only one."""
    results = [
        made_result(d, name, value=60 + 2.0 * (name == "clip_vitb"), half=1.0)
        for d in benchmark_columns()
        for name in ("mae_vitb", "clip_vitb")
    ]
    (board,) = boards(entries_of(results, seen_by))
    (alone,) = boards(entries_of([r for r in results if r.dataset == "lip"], seen_by))
    assert alone.ranked()[0].ranking.columns[0].low.tolist() == [2, 1]
    (part,) = board.only(["lip"]).ranked()
    assert part.ranking.columns[0].low.tolist() == [1, 1]
    assert (part.ranking.low.tolist(), part.ranking.high.tolist()) == ([1, 1], [2, 2])
    assert part.ranking.tied.tolist() == [False, True]
