"""Cards that other people write: what procedural copies can be made of, and one sentence where they cannot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from humanbench.cards import cards, forget, load_card
from humanbench.cli import main
from humanbench.data.mannequin.suite import check_card
from humanbench.paths import shipped
from tests.plugged import install

AddCard = Callable[[str], None]


@pytest.fixture
def add_card(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[AddCard]:
    """Adds a card as another package does."""

    def add(text: str) -> None:
        path = tmp_path / "mystreet.toml"
        path.write_text(text, encoding="utf-8")
        point = type("Point", (), {"load": lambda self: lambda: path})()
        known = metadata.entry_points

        def entry_points(**chosen: str) -> Any:
            return [point] if chosen == {"group": "humanbench.datasets"} else known(**chosen)

        monkeypatch.setattr(metadata, "entry_points", entry_points)
        forget()

    yield add
    forget()


def changed(name: str, *changes: tuple[str, str]) -> str:
    """A shipped card under another id, with each text replaced wherever it stands."""
    text = (shipped("datasets") / f"{name}.toml").read_text(encoding="utf-8")
    for old, new in ((f'id = "{name}"', 'id = "mystreet"'), *changes):
        assert old in text
        text = text.replace(old, new)
    return text


def synthesize(out: Path, *names: str) -> Result:
    command = ["datasets", "synthesize", *names, "--out", str(out), "--scale", "0.01", "--workers", "1"]
    return CliRunner().invoke(main, command)


@pytest.mark.parametrize("name", sorted(cards()))
def test_every_shipped_card_can_be_written(name: str) -> None:
    check_card(load_card(name))


WRONG = {
    "attribute": (
        changed("pa100k", ('"Hat"', '"Hatt"')),
        "procedural people have no attribute 'Hatt' (docs/embedded-suite.md lists theirs); did you mean Hat, hat, ",
    ),
    "attribute that begins like one we know": (
        changed("market1501_attribute", ('"upblack"', '"upbeat"')),
        "procedural people have no attribute 'upbeat' (docs/embedded-suite.md lists theirs); did you mean ",
    ),
    "keypoint": (
        changed("coco_pose", ('"left_wrist"', '"left_thumb"')),
        "procedural people have no keypoint 'left_thumb' (docs/embedded-suite.md lists theirs); did you mean ",
    ),
    "part class": (
        changed("cihp", ("pants", "trunks")),
        "procedural people have no part class 'trunks' (docs/embedded-suite.md lists theirs)",
    ),
    "part of the body": (
        changed("human36m_parsing", ('"left thigh"', '"left toes"')),
        "procedural people have no part class 'left toes' (docs/embedded-suite.md lists theirs); did you mean left-",
    ),
    "format without a writer": (
        changed(
            "shanghaitech_b",
            ('format = "shanghaitech"', 'format = "tests.mannequin.reader_only"'),
            ('parts = ["part_B_final", "part_B"]', ""),
            ('folders = { train = "train_data", test = "test_data" }', ""),
        ),
        "the format 'tests.mannequin.reader_only' has no writer: the module tests.mannequin.reader_only offers no "
        "`write`",
    ),
}


@pytest.mark.parametrize("kind", sorted(WRONG))
def test_what_procedural_people_cannot_have_is_one_sentence(kind: str, add_card: AddCard, tmp_path: Path) -> None:
    """It is said before the first picture, and before the dataset named before it is written."""
    text, sentence = WRONG[kind]
    add_card(text)
    result = synthesize(tmp_path / "out", "shanghaitech_a", "mystreet")
    assert result.exit_code == 2
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith(f"humanbench: mystreet: {sentence}")
    assert not (tmp_path / "out").exists()


def test_a_writer_of_another_task_is_one_sentence(add_card: AddCard, tmp_path: Path) -> None:
    """Nothing is half-written when a format turns out not to hold what the task labels."""
    add_card(changed("uav_human", ("\nhat = [", "\nheadgear = [")))
    result = synthesize(tmp_path, "mystreet")
    assert result.exit_code == 2
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("humanbench: mystreet: the writer of the format uav_human does not fit what the card")
    assert list(tmp_path.glob("*mystreet")) == []
    assert list(tmp_path.glob(".mystreet*")) == []


def test_a_vocabulary_of_the_body_must_name_all_parts(add_card: AddCard, tmp_path: Path) -> None:
    add_card(changed("human36m_parsing", ('"upper spine"', '"Crotch"')))
    result = synthesize(tmp_path / "out", "mystreet")
    assert result.exit_code == 2
    assert "but upper-spine is not among them" in result.stderr


UNLABELLED = """
    from humanbench.tasks.base import Task

    task = Task(package="humanbench.tasks", name="unlabelled", title="Unlabelled", question="Who?")
"""


def test_a_task_without_labels_for_scenes_is_one_sentence(
    add_card: AddCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path / "site", monkeypatch, "unlabelled", UNLABELLED, {"humanbench.tasks": {"unlabelled": "task"}})
    add_card(changed("shanghaitech_b", ('task = "counting"', 'task = "unlabelled"')))
    result = synthesize(tmp_path / "out", "mystreet")
    assert result.exit_code == 2
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("humanbench: mystreet: the task unlabelled has no labels for procedural people")
    assert not (tmp_path / "out").exists()
