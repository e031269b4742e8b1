"""Accepted submissions: only ever added, withdrawn with a reason, and any change afterwards is noticed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from humanbench.cards import load_card
from humanbench.leaderboard.site.html_check import problems
from humanbench.leaderboard.submissions.bundle import gathered, write_submission
from humanbench.leaderboard.submissions.store import StoreError, accept, load_store, read_log, withdraw
from tests.evaluated import run, write_dataset
from tests.leaderboard.honest import edit_result, write_honest_run


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for name in ("pa100k", "shanghaitech_a"):
        write_dataset(load_card(name), folder)
    return folder


@pytest.fixture(scope="module")
def archives(root: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Submissions of two runs."""
    place = tmp_path_factory.mktemp("archives")
    made = []
    for number, datasets in enumerate((["pa100k", "shanghaitech_a"], ["pa100k"])):
        folder = write_honest_run(place / f"run{number}", root, datasets)
        with gathered(folder, f"Run {number}", "A. Student") as gathered_folder:
            made.append(write_submission(gathered_folder, place / f"{number}.zip"))
    return made


@pytest.fixture
def store(archives: list[Path], root: Path, tmp_path: Path) -> Path:
    """A store with the first of them."""
    report, name = accept(archives[0], tmp_path / "store", root)
    assert report.ok
    assert name.startswith("run-0-")
    return tmp_path / "store"


def entry_id(store: Path) -> str:
    return load_store(store)[0].entries()[0].id


def test_what_was_accepted_is_on_the_board_as_rescored(store: Path, root: Path, archives: list[Path]) -> None:
    accept(archives[1], store)  # no data: claimed
    first, second = load_store(store)
    (entry,) = first.entries()
    assert {s.evidence for s in entry.scores.values()} == {"rescored"}
    assert (entry.submission, entry.submitter) == (first.id, "A. Student")
    assert {s.evidence for e in second.entries() for s in e.scores.values()} == {"claimed"}


def test_the_same_submission_twice_is_refused(store: Path, root: Path, archives: list[Path]) -> None:
    before = (store / "log.jsonl").read_bytes()
    done = run("leaderboard", "accept", archives[0], "--data-root", root, "--submissions", store)
    assert done.exit_code == 1
    assert "what was accepted is never replaced" in done.output
    assert (store / "log.jsonl").read_bytes() == before


def test_a_rejected_submission_leaves_nothing(store: Path, root: Path, archives: list[Path], tmp_path: Path) -> None:
    folder = write_honest_run(tmp_path / "run", root, ["pa100k"])
    with gathered(folder) as gathered_folder:
        forged = write_submission(gathered_folder, tmp_path / "forged")
    edit_result(forged, "pa100k", trainable=1)
    before = sorted(p.name for p in store.iterdir())
    assert run("leaderboard", "accept", forged, "--data-root", root, "--submissions", store).exit_code == 1
    assert sorted(p.name for p in store.iterdir()) == before


def test_withdrawing_keeps_the_page_and_leaves_the_rankings(store: Path, tmp_path: Path) -> None:
    name = entry_id(store)
    done = run("leaderboard", "withdraw", name, "--reason", "trained on <test>", "--submissions", store)
    assert done.exit_code == 0, done.output
    out = tmp_path / "site"
    assert run("leaderboard", "build", "--out", out, "--submissions", store).exit_code == 0
    assert problems(out) == []
    page = (out / "entries" / f"{name}.html").read_text()
    assert "Withdrawn." in page
    assert "trained on &lt;test&gt;" in page
    assert not (out / "boards").exists()
    assert "withdrawn: trained on &lt;test&gt;" in (out / "changes.xml").read_text()
    with pytest.raises(StoreError, match="was withdrawn on"):
        withdraw(name, "again", store)


def test_withdrawing_needs_a_reason_and_a_known_name(store: Path) -> None:
    with pytest.raises(StoreError, match="needs a reason"):
        withdraw(entry_id(store), "  ", store)
    with pytest.raises(StoreError, match="is called 'nobody'"):
        withdraw("nobody", "x", store)


def _edit_line(store: Path) -> None:
    path = store / "log.jsonl"
    lines = path.read_text().splitlines()
    event = json.loads(lines[0])
    event["evidence"] = dict.fromkeys(event["evidence"], "claimed")
    path.write_text("\n".join([json.dumps(event, sort_keys=True), *lines[1:]]) + "\n")


def _drop_line(store: Path) -> None:
    path = store / "log.jsonl"
    path.write_text("\n".join(path.read_text().splitlines()[1:]) + "\n")


def _edit_result(store: Path) -> None:
    edit_result(next(p for p in store.iterdir() if p.is_dir()), "pa100k", trainable=1)


def _edit_manifest(store: Path) -> None:
    path = next(store.glob("*/manifest.json"))
    path.write_text(path.read_text().replace("A. Student", "B. Student"))


def _add_folder(store: Path) -> None:
    (store / "mine").mkdir()


def _remove_folder(store: Path) -> None:
    next(p for p in store.iterdir() if p.is_dir()).rename(store.parent / "gone")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_edit_line, "the log was changed"),
        (_drop_line, "the log was changed"),
        (_edit_result, "was changed after it was accepted"),
        (_edit_manifest, "its manifest was changed"),
        (_add_folder, "'mine' was never accepted"),
        (_remove_folder, "damaged or gone"),
    ],
)
def test_a_change_behind_the_boards_back_is_noticed(store: Path, archives: list[Path], change, said: str) -> None:  # type: ignore[no-untyped-def]
    accept(archives[1], store)
    change(store)
    with pytest.raises(StoreError, match=said):
        load_store(store)


def test_an_empty_store_is_no_error(tmp_path: Path) -> None:
    assert load_store(tmp_path / "none") == []
    assert read_log(tmp_path) == []


def test_an_untouched_store_reads_as_it_was_written(store: Path) -> None:
    assert [event["event"] for event in read_log(store)] == ["accepted"]
    assert [len(one.results) for one in load_store(store)] == [2]
