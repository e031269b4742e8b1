"""The demonstration goes from pictures to pages, says that its numbers are synthetic, and goes on when interrupted."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from humanbench import demo as story
from humanbench.cards import load_card
from humanbench.cli import main
from humanbench.data.mannequin import pool
from humanbench.data.samples import MARKER
from humanbench.engine import cell as engine_cell
from humanbench.engine.context import RunContext
from humanbench.engine.predict import Predicted
from humanbench.engine.prepared import PreparedCell
from humanbench.leaderboard.site import sample_selection
from humanbench.leaderboard.site.build import build
from humanbench.tasks.registry import task_names

SCALE = 0.04
FAST = {"train.epochs": 1, "train.views": 0}


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HUMANBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(pool, "workers", partial(pool.workers, 1))
    monkeypatch.setattr(story, "GROUP_RESAMPLES", 5)


def test_one_dataset_of_each_task() -> None:
    assert sorted(load_card(name).task for name in story.DATASETS) == sorted(task_names())


@pytest.mark.parametrize("other", [{"suite": 1}, {"difficulty": 0.5}, {"seed": 3}])
def test_copies_that_were_drawn_otherwise_are_written_anew(
    other: dict[str, float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(story, "DATASETS", ("human36m_pose",))
    told: list[str] = []
    story.write_data(tmp_path, SCALE, 0, told.append)
    marker = tmp_path / "human36m_pose" / MARKER
    drawn = marker.read_text()
    story.write_data(tmp_path, SCALE, 0, told.append)
    assert len(told) == 1
    marker.write_text(json.dumps(json.loads(drawn) | other))
    story.write_data(tmp_path, SCALE, 0, told.append)
    assert len(told) == 2
    assert marker.read_text() == drawn


def test_from_pictures_to_pages_and_on_after_an_interruption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(story, "DATASETS", ("peta", "shanghaitech_b"))
    write = engine_cell._write_predictions

    def interrupted(context: RunContext, cell: PreparedCell, predicted: Predicted) -> Path:
        if cell.card.id == "shanghaitech_b":
            raise KeyboardInterrupt
        return write(context, cell, predicted)

    with monkeypatch.context() as context:
        context.setattr(engine_cell, "_write_predictions", interrupted)
        with pytest.raises(KeyboardInterrupt):
            story.demo(tmp_path / "demo", SCALE, overrides=FAST)
    done = {path.name: path.read_bytes() for path in (tmp_path / "demo").glob("*/results/*.json")}
    written = (tmp_path / "demo" / "data" / "peta" / "MANNEQUIN.json").stat().st_mtime_ns
    assert len(done) == 1
    said: list[str] = []
    shown = story.demo(tmp_path / "demo", SCALE, overrides=FAST, say=said.append)
    assert not any("writing" in text for text in said)
    assert (tmp_path / "demo" / "data" / "peta" / "MANNEQUIN.json").stat().st_mtime_ns == written
    kept = {path.name: path.read_bytes() for path in (tmp_path / "demo").glob("*/results/*.json")}
    assert len(kept) == 16  # of each backbone two, and of peta another regime, another head and four corruptions
    assert done.items() <= kept.items()
    assert all(result.synthetic and result.status == "done" for results in shown.runs for result in results)
    assert [len(results) for results in shown.runs] == [2, 2]
    assert [len(results) for results in shown.further] == [6, 6]
    assert not any(results.failed for results in shown.further)
    assert shown.comparison.comparable
    site = shown.site.folder
    assert "noise" in (site / "robustness.html").read_text(encoding="utf-8")
    assert list((site / "samples").glob("attribute-*"))
    assert list((site / "samples").glob("counting-*"))
    entry = next(site.glob("entries/mini-pyramid-path-partial-*.html")).read_text(encoding="utf-8")
    assert all(f'id="{part}-peta"' in entry for part in ("groups", "calibration", "parts"))
    assert "synthetic" in shown.site.front.read_text(encoding="utf-8")
    monkeypatch.setattr(sample_selection, "procedural_copy", lambda folder: "mini-1")  # pictures drawn otherwise
    runs = [str(tmp_path / "demo" / name) for name in story.BACKBONES]
    again = build(runs, tmp_path / "again", None, tmp_path / "demo" / "data")
    assert not (again.folder / "samples").exists()


def test_what_a_person_sees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(story, "DATASETS", ("peta",))
    monkeypatch.setattr(story, "QUESTIONS", story.QUESTIONS[:1])  # all of them are asked above
    asked = story.demo
    monkeypatch.setattr(story, "demo", lambda *args, **options: asked(*args, **options, overrides=FAST))
    told = CliRunner().invoke(main, ["demo", "--out", str(tmp_path / "demo"), "--scale", str(SCALE)])
    assert told.exit_code == 0, told.output
    assert "synthetic data" in told.stdout
    for name in story.BACKBONES:
        assert name in told.stdout
    assert told.stdout.rstrip().endswith(str(tmp_path / "demo" / "site" / "index.html"))
    (line,) = [line for line in told.stdout.splitlines() if line.startswith("  humanbench score ")]
    again = CliRunner().invoke(main, [*line.split()[1:], "--json"])
    assert again.exit_code == 0, again.output
