"""Columns and marks of tables: from the benchmark and from the results, and what is best when."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import html5lib
import pytest

from humanbench.cards import cards
from humanbench.export import export
from humanbench.leaderboard.model.boards import boards
from humanbench.leaderboard.model.entries import entries_of, seen_by
from humanbench.leaderboard.model.events import events_of
from humanbench.leaderboard.site.html_check import problems
from humanbench.leaderboard.site.tables import columns_of, rows_of
from humanbench.leaderboard.site.writing import build_site
from humanbench.paths import shipped
from humanbench.results import Result
from humanbench.results.columns import benchmark_columns, columns_with
from tests.leaderboard.made import made_result
from tests.plugged import install


@pytest.fixture
def own_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A dataset of another package: a copy of the attributes of PA-100K."""
    card = copied_card(tmp_path, {'id = "pa100k"': 'id = "ours"', 'short = "PA-100K"': 'short = "Ours"'})
    text = CARD.format(card=str(card))
    install(tmp_path / "packages", monkeypatch, "ourdata", text, {"humanbench.datasets": {"ours": "card"}})
    cards.cache_clear()
    yield "ours"
    monkeypatch.undo()
    cards.cache_clear()


@pytest.fixture
def own_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A dataset of a task of another package, which has the parts of attributes."""
    changes = {'id = "pa100k"': 'id = "gaze1"', 'task = "attribute"': 'task = "gaze"', '"PA-100K"': '"Gaze"'}
    text = CARD.format(card=str(copied_card(tmp_path, changes))) + GAZE
    points = {"humanbench.datasets": {"gaze1": "card"}, "humanbench.tasks": {"gaze": "task"}}
    install(tmp_path / "packages", monkeypatch, "ourtask", text, points)
    cards.cache_clear()
    yield "gaze1"
    monkeypatch.undo()
    cards.cache_clear()


CARD = """
    from pathlib import Path

    def card():
        return Path({card!r})
"""
GAZE = """
    from humanbench.tasks.base import Task

    task = Task(
        name="gaze", title="Direction of gaze", question="Where does the person look?",
        package="humanbench.tasks.attribute", attribute_columns=True,
    )
"""


def copied_card(folder: Path, changes: dict[str, str]) -> Path:
    """The card of PA-100K with parts of it replaced."""
    text = (shipped("datasets") / "pa100k.toml").read_text(encoding="utf-8")
    for old, new in changes.items():
        text = text.replace(old, new)
    path = folder / "card.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_task_of_another_package_has_board_page_and_tables(own_task: str, tmp_path: Path) -> None:
    usual = [made_result(dataset, "mae_vitb", "head") for dataset in ("lip", "pa100k")]
    cell = usual[1].cell.model_copy(update={"dataset": own_task, "id": "9" * 64})
    theirs = usual[1].model_copy(update={"dataset": own_task, "task": "gaze", "cell": cell})
    site = site_of(tmp_path / "site", [*usual, theirs])
    assert problems(site) == []
    page = (site / "tasks/gaze.html").read_text()
    assert "<h1>Direction of gaze</h1>" in page
    assert "Where does the person look?" in (site / "index.html").read_text()
    assert 'href="tasks/gaze.html"' in (site / "datasets.html").read_text()
    assert any("datasets/gaze1.html" in board.read_text() for board in (site / "boards").iterdir())
    (tmp_path / "results").mkdir()
    for result in (*usual, theirs):
        (tmp_path / "results" / f"{result.dataset}.json").write_text(result.to_json())
    assert "**Pedestrian attributes, Direction of gaze**" in export(tmp_path)
    card = export(tmp_path, form="model-card")
    assert "Direction of gaze, head finetuning" in card


def site_of(folder: Path, results: list[Result]) -> Path:
    entries = entries_of(results, seen_by)
    return build_site(folder, entries, events_of(entries)).folder


def test_a_dataset_of_another_package_has_its_column(own_dataset: str, tmp_path: Path) -> None:
    """Whoever has results there alone is ranked there, and on the pages of its task."""
    results = [made_result(own_dataset, name, value=value) for name, value in (("mae_vitb", 80.0), ("clip_vitb", 70.0))]
    site = site_of(tmp_path / "site", results)
    assert problems(site) == []
    for page in ("index.html", "boards/humanbench-v1-partial.html", "tasks/attribute.html"):
        text = (site / page).read_text()
        assert 'datasets/ours.html" title="PA-100K">Ours</a>' in text, page
        assert ">80.0</" in text
    root = html5lib.parse((site / "boards/humanbench-v1-partial.html").read_text(), namespaceHTMLElements=False)
    spans = [
        ("".join(th.itertext()), int(th.get("colspan"))) for th in root.iter("th") if th.get("scope") == "colgroup"
    ]
    assert spans == [("cost", 2), ("attribute", 1)]
    with (site / "data/boards/humanbench-v1-partial-claimed.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(r["backbone"], r["rank"], float(r["mean_rank"]), r["ours"]) for r in rows] == [
        ("mae_vitb", "1", 1.0, "80.0"),
        ("clip_vitb", "2", 2.0, "70.0"),
    ]
    assert "0 of 19 datasets and 1 beyond them" in (site / "index.html").read_text()
    assert "cells" in (site / "entries" / next((site / "entries").iterdir()).name).read_text()


def test_columns_stand_by_task_the_benchmark_first(own_dataset: str) -> None:
    names = columns_with({own_dataset, "lip"})
    assert set(names) == {*benchmark_columns(), "ours"}
    assert names[names.index("ours") - 1] in ("pa100k", "rap", "peta")
    assert [n for n in names if n != "ours"] == list(benchmark_columns())


def test_export_has_the_column_too(own_dataset: str, tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results/one.json").write_text(made_result(own_dataset, value=80.0).to_json())
    assert "Ours (mA ↑)" in export(tmp_path)


def marks(values: dict[str, float], half: float = 1.0, dataset: str = "mpii") -> dict[str, str]:
    """The marks of a column by backbone."""
    results = [made_result(dataset, name, value=value, half=half) for name, value in values.items()]
    (board,) = boards(entries_of(results, seen_by))
    (table,) = board.ranked()
    return {
        row.backbone: row.cells[0].mark for row in rows_of(range(len(table.entries)), table, columns_of([dataset]), "")
    }


def test_what_ties_with_the_best_is_no_second_best() -> None:
    assert marks({"mae_vitb": 30.7, "clip_vitb": 29.5}, 4.0) == {"mae_vitb": "best", "clip_vitb": "tied"}
    assert marks({"mae_vitb": 90.0, "clip_vitb": 80.0, "path_vitb": 70.0}) == {
        "mae_vitb": "best",
        "clip_vitb": "second",
        "path_vitb": "",
    }
    assert marks({"mae_vitb": 90.0, "clip_vitb": 89.5, "path_vitb": 89.0}) == {
        "mae_vitb": "best",
        "clip_vitb": "tied",
        "path_vitb": "tied",
    }


def test_nobody_is_best_where_all_are_equal_or_alone() -> None:
    assert set(marks(dict.fromkeys(("mae_vitb", "clip_vitb", "path_vitb"), 0.0)).values()) == {""}
    assert marks({"mae_vitb": 90.0}) == {"mae_vitb": ""}
    assert marks({"mae_vitb": 90.0, "clip_vitb": 90.0, "path_vitb": 70.0}) == {
        "mae_vitb": "best",
        "clip_vitb": "best",
        "path_vitb": "",
    }
