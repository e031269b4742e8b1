"""A task of another package, from procedural pictures to the board: nothing of the product knows its name.

The package (`tests/seventh_task`) is installed while `story.py` walks the whole way, and gone afterwards.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import Result
from PIL import Image

from humanbench import suites
from humanbench.cards import forget, parse_card
from humanbench.data.samples import MARKER
from humanbench.results import load_results
from humanbench.run_log import RunLog
from humanbench.tasks.registry import task_names
from tests.seventh_task import story as seventh

pytestmark = pytest.mark.xdist_group("seventh task")  # what its fixtures make is made once

PACKAGE = Path(__file__).parent / "seventh_task"
MODULE = "humanbench_heading"


class Story:
    """What the way left: its folder, and by step what the command printed."""

    def __init__(self, folder: Path, said: dict[str, Result]) -> None:
        self.folder, self.said = folder, said

    def out(self, step: str) -> str:
        """Standard output of a step, which must have succeeded."""
        assert self.said[step].exit_code == 0, (self.said[step].stderr, self.said[step].exception)
        return self.said[step].stdout

    def page(self, name: str) -> str:
        """A page of the site."""
        return (self.folder / "site" / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """The whole way, walked once."""
    folder = tmp_path_factory.mktemp("seventh")
    with pytest.MonkeyPatch.context() as patch, installed(PACKAGE, patch):
        patch.setenv("HUMANBENCH_CACHE", str(folder / "cache"))
        patch.setattr(suites, "_synthesize", _synthesize)
        return Story(folder, seventh.walk(folder))


@contextmanager
def installed(site: Path, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """The package is found in this folder, and after that nowhere."""
    patch.syspath_prepend(site)
    forget()
    try:
        yield
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == MODULE]:
            del sys.modules[name]
        patch.undo()
        forget()


def _synthesize(names: list[str], root: Path) -> None:
    """In this process, where the product takes one of its own."""
    done = seventh.command("datasets", "synthesize", *names, "--out", root, "--workers", 1)
    assert done.exit_code == 0, done.stderr


def test_it_is_not_one_of_ours() -> None:
    """Where the package is not installed nobody knows the task."""
    assert "heading" not in task_names()


def test_its_dataset_is_listed_written_and_verified(story: Story) -> None:
    (row,) = json.loads(story.out("list"))
    assert (row["id"], row["task"], row["metric"], row["use"]) == ("street_heads", "heading", "MAAD", "evaluation")
    assert "away, left" in story.out("show")
    (report,) = json.loads(story.out("verify"))
    assert (report["ok"], report["release"]) == (True, "mannequin")
    assert {"labels", "pictures", "samples"} <= {check["check"] for check in report["rows"]}
    with Image.open(story.folder / "street_heads.png") as sheet:
        assert sheet.width > 1000


def test_it_is_evaluated_in_every_regime(story: Story) -> None:
    results = {result.regime: result for result in load_results(story.folder / "run")}
    assert set(results) == {"full", "partial", "head", "none"}
    for regime, result in results.items():
        assert (result.status, result.task, result.main) == ("done", "heading", "MAAD")
        assert list(result.metrics) == ["MAAD", "accuracy"]
        deviation = result.metrics["MAAD"]
        assert 0 <= deviation.low < deviation.value < deviation.high <= 180
        assert bool(result.trainable) == (regime != "none")
        assert result.provenance is not None
        assert result.provenance.packages["humanbench-heading"] == "1.0"
    assert results["head"].trainable < results["partial"].trainable < results["full"].trainable


def test_its_predictions_are_scored_again(story: Story) -> None:
    report = json.loads(story.out("score"))
    (result,) = [result for result in load_results(story.folder / "run") if result.regime == "head"]
    assert report["main"] == "MAAD"
    assert report["metrics"] == {name: metric.model_dump() for name, metric in result.metrics.items()}


def test_two_runs_are_compared_picture_by_picture(story: Story) -> None:
    cells = {cell["regime"]: cell for cell in json.loads(story.out("compare"))["cells"]}
    cell = cells["head"]
    assert (cell["metric"], cell["method"], cell["unit"], cell["n"]) == ("MAAD", "paired", "image", 100)
    assert cell["difference"] == pytest.approx(cell["new"] - cell["base"])
    assert cell["low"] < cell["difference"] < cell["high"]


def test_it_is_submitted_and_rescored(story: Story) -> None:
    assert story.out("submit").count("rescored") == 4
    cells = json.loads(story.out("accept"))["cells"]
    assert [cell["verdict"] for cell in cells] == ["rescored"] * 4
    assert all(cell["claimed"] == cell["recomputed"] for cell in cells)


def test_it_has_its_place_on_the_board(story: Story) -> None:
    story.out("build")
    board = story.page("boards/mini-head-own-recipe-synthetic-mini-2-100a.html")
    assert "StreetHeads" in board
    assert ">rescored</span>" in board
    page = story.page("tasks/heading.html")
    assert "Head orientation" in page
    assert "Which way does the person look?" in page
    assert "The annotated direction as an arrow" in page
    assert list((story.folder / "site" / "samples").glob("heading-*.webp"))
    assert "mean absolute angle in degrees" in story.page("datasets/street_heads.html")
    assert "Head orientation" in story.page("index.html")


def test_it_is_exported(story: Story) -> None:
    assert "**Head orientation**" in story.out("markdown")
    assert "StreetHeads (MAAD ↓)" in story.out("markdown")
    assert r"MAAD\,$\downarrow$" in story.out("latex")
    assert ",MAAD,true,false," in story.out("csv")
    card = story.out("model-card")
    assert "type: image-classification" in card
    assert "name: Head orientation, head finetuning" in card


def test_a_slip_in_its_recipe_is_one_sentence(story: Story) -> None:
    assert story.said["slip"].exit_code == 2
    assert "heading recipes have no such key; did you mean smoothing" in story.said["slip"].stderr


def test_its_embedded_copy_is_made_again_when_the_package_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The labels are of the package, which the version of humanbench says nothing about."""
    site, written = tmp_path / "site", []

    def write(names: list[str], root: Path) -> None:
        written.extend(names)
        for name in names:
            (root / name).mkdir(exist_ok=True)
            (root / name / MARKER).write_text("{}", encoding="utf-8")

    shutil.copytree(PACKAGE, site)
    monkeypatch.setattr(suites, "embedded_root", lambda: tmp_path / "mini")
    monkeypatch.setattr(suites, "_synthesize", write)
    with installed(site, monkeypatch):
        card, log = parse_card(site / MODULE / "street_heads.toml"), RunLog()
        for _ in range(2):
            suites.synthesized([card], log)
        assert written == ["street_heads"]
        with (site / MODULE / "procedural.py").open("a", encoding="utf-8") as file:
            file.write("# other labels\n")
        suites.synthesized([card], log)
        assert written == ["street_heads"] * 2
