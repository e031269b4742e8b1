"""Robustness: means and drops, and the page that shows them."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from humanbench.hashing import key
from humanbench.leaderboard.model.boards import boards
from humanbench.leaderboard.model.entries import entries_of, seen_by
from humanbench.leaderboard.model.events import events_of
from humanbench.leaderboard.site.html_check import problems
from humanbench.leaderboard.site.pages.entries import rerun_commands
from humanbench.leaderboard.site.writing import build_site
from humanbench.results import Result, Results
from humanbench.results.conditions import Robustness
from tests.leaderboard.made import made_result


def shown(value: float, corruption: str, dataset: str = "market1501") -> Result:
    result = made_result(dataset, value=value)
    cell = result.cell.model_copy(update={"corruption": corruption})
    return result.model_copy(update={"cell": cell.model_copy(update={"id": key(cell.content)})})


def made() -> list[Result]:
    return [
        made_result(value=80.0), shown(70.0, "fog:1"), shown(50.0, "fog:5"), shown(40.0, "noise:5"),
        made_result("shanghaitech_a", value=50.0), shown(75.0, "blur:2", "shanghaitech_a"),
    ]  # fmt: skip


def test_means_and_drops_are_those_of_the_formula() -> None:
    """Fog is (70 + 50) / 2 = 60, noise 40; the mean of both 50, which is 37.5 % less than 80."""
    frame = Results(made()).robustness().set_index(["dataset", "corruption"])
    assert frame.loc[("market1501", "fog"), ["plain", "mean", "drop", "severities"]].tolist() == [80, 60, 25, 2]
    assert frame.loc[("market1501", "all"), ["plain", "mean", "drop", "severities"]].tolist() == [80, 50, 37.5, 3]
    # Of an error more is worse: 75 is half as much again as 50.
    assert frame.loc[("shanghaitech_a", "blur"), "drop"] == pytest.approx(50)
    one = Robustness("mAP", 80.0, {"fog": {1: 70.0, 5: 50.0}, "noise": {5: 40.0}})
    assert [one.at(severity) for severity in (0, 5)] == [80, 45]
    assert math.isnan(one.at(1))  # fog alone: beside 45 it would look like a course
    assert math.isnan(Robustness("mAP", math.nan, {"fog": {1: 70.0}}).drop(70.0))
    assert Results(made()[:1]).robustness().empty


def test_the_interval_of_a_mean_is_the_mean_of_intervals() -> None:
    """Two corruptions, one at two severities: each corruption counts once."""
    ends = {"fog": {1: (60.0, 80.0), 5: (40.0, 60.0)}, "noise": {5: (30.0, 50.0)}}
    one = Robustness("mAP", 80.0, {"fog": {1: 70.0, 5: 50.0}, "noise": {5: 40.0}}, ends)
    assert one.interval("fog") == (50, 70)
    assert one.interval() == (40, 60)
    assert all(map(math.isnan, Robustness("mAP", 80.0, {"fog": {1: 70.0}}).interval()))


def test_each_corruption_has_a_board_and_the_page_has_them_all(tmp_path: Path) -> None:
    entries = entries_of(made(), seen_by)
    keys = [board.key.condition for board in boards(entries)]
    assert keys == ["", "blur:2", "fog:1", "fog:5", "noise:5"]
    assert len({board.key.slug for board in boards(entries)}) == 5
    one = next(entry for entry in entries if entry.board.condition == "noise:5")
    assert "--corrupt noise:5" in rerun_commands(one)[0]
    folder = build_site(tmp_path / "site", entries, events_of(entries)).folder
    assert problems(folder) == []
    page = (folder / "robustness.html").read_text()
    assert re.search(
        r'50.0 <span class="muted">±[\d.]+</span><small>3 tested</small></td><td class="n">37.5 %</td>', page
    )
    assert "60.0<small>70.0 · 50.0</small>" in page
    assert "fog<small>severity 1 · 5</small>" in page
    listed = (folder / "backbones.html").read_text()
    assert "boards/" in listed
    assert "fog" not in listed  # a row of the list is no longer for all that was corrupted
    assert "robustness.html" in (folder / "index.html").read_text()
    (backbone,) = (folder / "backbones").glob("*.html")
    own = backbone.read_text()
    assert own.count("regimes side by side") == 1  # a table of what is usual, and a line for each condition
    assert [text in own for text in (">fog:1</a>", ">noise:5</a>", "../robustness.html")] == [True] * 3
    assert not (folder / "few-labels.html").exists()
