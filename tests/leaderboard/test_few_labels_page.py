"""Label efficiency: numbers over draws, and the page that shows them."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest

from humanbench.hashing import key
from humanbench.leaderboard.model.boards import boards
from humanbench.leaderboard.model.entries import entries_of, seen_by
from humanbench.leaderboard.model.events import events_of
from humanbench.leaderboard.site.charts import Course, courses
from humanbench.leaderboard.site.html_check import problems
from humanbench.leaderboard.site.pages.entries import rerun_commands
from humanbench.leaderboard.site.writing import build_site
from humanbench.results import Result, Results, TrainingPart
from humanbench.results.conditions import by_fraction
from tests.leaderboard.made import made_result

DATASETS = ("market1501", "pa100k")


def few(value: float, fraction: float, draw: int, dataset: str = "market1501", backbone: str = "mae_vitb") -> Result:
    """A result with an interval of test units of 3 towards either side."""
    result = made_result(dataset, backbone, value=value, half=3.0)
    cell = result.cell.model_copy(update={"fraction": fraction, "draw": draw})
    part = TrainingPart(unit="identities", chosen=75, of=751, sha256="0" * 64)
    return result.model_copy(update={"cell": cell.model_copy(update={"id": key(cell.content)}), "trained_on": part})


def made() -> list[Result]:
    draws = [few(value, 0.1, draw) for draw, value in enumerate((60.0, 62.0, 64.0))]
    return [*draws, few(70.0, 0.25, 1), made_result(value=80.0, half=3.0), few(50.0, 0.1, 0, "pa100k", "clip_vitb")]


def test_an_interval_over_draws_is_what_its_formula_says() -> None:
    """Mean 62, sd 2 over three draws, t(2) = 4.3027: hypot(3, 4.3027 x 2 / sqrt(3)) = 5.8012."""
    cells = [(cell[0], number) for cell, number in Results(made()).cells() if cell[0].dataset == "market1501"]
    found = by_fraction("mAP", cells)
    assert list(found) == [0.1, 0.25, 1.0]
    three = found[0.1]
    assert (three.value, three.draws) == (62.0, 3)
    half = math.hypot(3, 4.302652729911275 * 2 / math.sqrt(3))
    assert (three.low, three.high) == pytest.approx((62 - half, 62 + half))
    whole = next(number for result, number in cells if result.fraction is None)
    assert (found[1.0].low, found[1.0].high, found[1.0].draws) == (whole.low, whole.high, 1)
    frame = Results(made()).label_efficiency()
    assert frame[frame.dataset == "market1501"].value.tolist() == [62.0, 70.0, 80.0]


def test_each_list_has_a_board_and_usual_entries_keep_their_ids() -> None:
    entries = entries_of(made(), seen_by)
    assert [board.key.condition for board in boards(entries)] == [
        "", *(f"10 % of the labels, draw {draw}" for draw in range(3)), "25 % of the labels, draw 1",
    ]  # fmt: skip
    assert len({board.key.slug for board in boards(entries)}) == 5
    assert len({entry.id for entry in entries}) == len(entries)
    (alone,) = entries_of([made_result(value=80.0, half=3.0)], seen_by)
    (usual,) = (entry for entry in entries if not entry.board.condition)
    assert usual.id == alone.id
    one = next(entry for entry in entries if entry.board.condition.endswith("draw 1"))
    assert "--fraction 0.1 --draw 1" in rerun_commands(one)[0]


def test_the_page_shows_the_numbers_and_the_first_page_leads_there(tmp_path: Path) -> None:
    entries = entries_of(made(), seen_by)
    folder = build_site(tmp_path / "site", entries, events_of(entries)).folder
    assert problems(folder) == []
    page = (folder / "few-labels.html").read_text()
    text = " ".join(page.split())
    assert '62.0 <span class="muted">±5.8</span><small>3 draws</small>' in text
    assert "70.0" in text
    assert "80.0" in text
    assert page.count('<svg class="chart scatter"') == 1  # of pa100k there is one value alone
    front = (folder / "index.html").read_text()
    assert "few-labels.html" in front
    assert "10-of-the-labels" not in front  # boards of lists are on the page of lists
    with (folder / "data/results.csv").open() as file:
        assert {row["condition"] for row in csv.DictReader(file)} >= {"", "25 % of the labels, draw 1"}
    plain = entries_of([made_result()], seen_by)
    other = build_site(tmp_path / "plain", plain, events_of(plain)).folder
    assert not (other / "few-labels.html").exists()
    assert "few-labels" not in (other / "index.html").read_text()


def test_a_course_without_a_line_is_nothing_and_hostile_names_are_escaped() -> None:
    points = [(0.0, 1.0, math.nan, math.nan), (1.0, 3.0, 2.0, 4.0)]
    assert courses("k", "t", [Course("one", points[:1])], [(0, "0")], "x", "y") == ""
    chart = courses("k", "t", [Course("<b>", points)], [(0, "0"), (1, "1")], "x", "y")
    assert "<b>" not in chart
    assert chart.count('class="whisker"') == 1
    assert chart.count('class="stroke"') == 1
