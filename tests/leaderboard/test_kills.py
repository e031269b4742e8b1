"""Accept, withdraw, submit and build, ended at every system call: nothing is stuck, lost or left lying about."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from humanbench import files
from humanbench.cards import load_card
from humanbench.leaderboard.site.build import build
from humanbench.leaderboard.submissions.archive import SubmissionError, opened
from humanbench.leaderboard.submissions.bundle import gathered, write_submission
from humanbench.leaderboard.submissions.log import StoreError, read_events
from humanbench.leaderboard.submissions.rescore import SubmissionReport, check_folder
from humanbench.leaderboard.submissions.store import (
    add,
    load_store,
    verify_store,
    withdraw,
)
from tests.evaluated import write_dataset
from tests.leaderboard.honest import write_honest_run
from tools.kills import killed_at

MOST = 400
"""No step here makes more system calls."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A submission of one small cell, as a folder."""
    place = tmp_path_factory.mktemp("kills")
    write_dataset(load_card("pa100k"), place / "data")
    run = write_honest_run(place / "run", place / "data", ["pa100k"])
    with gathered(run, "Killed") as made:
        return write_submission(made, place / "submission")


@pytest.fixture(scope="module")
def report(folder: Path) -> SubmissionReport:
    """What the board says to it, without data."""
    found = SubmissionReport(str(folder))
    with opened(folder) as place:
        check_folder(place, found, folder.parent / "no-data")
    assert found.ok, found.problems
    return found


@pytest.fixture(autouse=True)
def _another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is looked through anew, as by the next process."""
    monkeypatch.setattr(files, "_SWEPT", set())


def each_kill(
    place: Path, work: Callable[[Path], object], begin: Callable[[Path], object], step: int = 1
) -> list[Path]:
    """What is left by work that was ended at its first, second, third ... call, each in a folder of its own."""
    left = []
    for point in range(1, MOST, step):
        here = place / f"k{point}"
        here.mkdir()
        begin(here)
        if not killed_at(point, lambda here=here: work(here), here):  # type: ignore[misc]
            return left
        left.append(here)
    raise AssertionError("it never came to an end")


def files_of(submission: Path) -> dict[str, bytes]:
    """Content by name."""
    if submission.is_dir():
        return {p.relative_to(submission).as_posix(): p.read_bytes() for p in submission.rglob("*") if p.is_file()}
    with zipfile.ZipFile(submission) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def names(store: Path) -> set[str]:
    return {path.name for path in store.iterdir()}


def test_an_acceptance_that_is_killed_is_finished_or_taken_back(
    folder: Path, report: SubmissionReport, tmp_path: Path
) -> None:
    left = each_kill(tmp_path, lambda here: add(folder, report, here / "store"), lambda here: None, 2)
    outcomes = []
    for here in left:
        store = here / "store"
        there = load_store(store)  # as `build` reads it
        outcomes.append(bool(there))
        if there:
            with pytest.raises(SubmissionError, match="is there already"):
                add(folder, report, store)
        else:
            assert add(folder, report, store).startswith("killed-")
        (event,) = read_events(store)[0]
        assert names(store) == {event.submission, "log.jsonl", ".lock"}
        assert verify_store(store) == []
    assert outcomes == sorted(outcomes)  # from some call on it is accepted
    assert {True, False} == set(outcomes)
    assert len(left) > 15


def test_a_withdrawal_that_is_killed_was_made_or_was_not(
    folder: Path, report: SubmissionReport, tmp_path: Path
) -> None:
    add(folder, report, tmp_path / "store")
    (one,) = load_store(tmp_path / "store")
    place = tmp_path / "k"
    place.mkdir()
    left = each_kill(
        place,
        lambda here: withdraw(one.id, "why not", here / "store"),
        lambda here: shutil.copytree(tmp_path / "store", here / "store"),
    )
    for here in left:
        (now,) = load_store(here / "store")
        if now.withdrawn:
            with pytest.raises(StoreError, match="was withdrawn on"):
                withdraw(one.id, "why not", here / "store")
        else:
            withdraw(one.id, "why not", here / "store")
        assert [event.event for event in read_events(here / "store")[0]] == ["accepted", "withdrawn"]
        assert names(here / "store") == names(tmp_path / "store")


@pytest.mark.parametrize("name", ["s.zip", "s"])
def test_a_submission_whose_writing_is_killed_is_whole_or_absent(
    folder: Path, report: SubmissionReport, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = each_kill(tmp_path, lambda here: write_submission(folder, here / name), lambda here: None, 3)
    for here in left:
        monkeypatch.setattr(files, "_SWEPT", set())
        done = (here / name).exists()
        write_submission(folder, here / ("another.zip" if done else name))
        there = files_of(here / name)
        assert there == files_of(folder)
        assert names(here) == ({name, "another.zip"} if done else {name})


@pytest.mark.filterwarnings("ignore:.*its last line was cut off")
def test_a_log_that_was_cut_off_anywhere_in_its_last_line_is_mended(
    folder: Path, report: SubmissionReport, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    add(folder, report, store)
    (one,) = load_store(store)
    accepted = (store / "log.jsonl").read_bytes()
    withdraw(one.id, "why not", store)
    whole = (store / "log.jsonl").read_bytes()
    for length in range(len(accepted), len(whole) + 1):
        (store / "log.jsonl").write_bytes(whole[:length])
        (now,) = load_store(store)
        assert bool(now.withdrawn) == (length >= len(whole) - 1)
        assert (store / "log.jsonl").read_bytes() == (whole if now.withdrawn else accepted)


def test_a_site_whose_writing_is_killed_leaves_nothing_behind(
    folder: Path, report: SubmissionReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(folder, report, tmp_path / "store")
    place = tmp_path / "k"
    for point in (1, 2, 3, 10, 50, 100, 200):
        monkeypatch.setattr(files, "_SWEPT", set())
        place.mkdir(exist_ok=True)
        if killed_at(point, lambda: build([], place / "site", tmp_path / "store"), place):
            assert len(names(place) - {"site"}) <= 1
    monkeypatch.setattr(files, "_SWEPT", set())
    build([], place / "site", tmp_path / "store")
    assert names(place) == {"site"}


def test_what_a_living_process_writes_is_not_swept(tmp_path: Path) -> None:
    (tmp_path / ".old.xyz.unfinished").mkdir()
    (tmp_path / ".other.xyz").mkdir()
    with files.unfinished(tmp_path, ".a.") as own:
        files.sweep(tmp_path)
        assert names(tmp_path) == {own.name, ".other.xyz"}
    assert names(tmp_path) == {".other.xyz"}
