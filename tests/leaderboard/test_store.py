"""Accepted submissions: only ever added, withdrawn with a reason, and any change afterwards is noticed."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from humanbench.backbones.cards import backbone_cards
from humanbench.cards import load_card
from humanbench.errors import DataWarning
from humanbench.hashing import file_sha256
from humanbench.hashing import key as key_of
from humanbench.leaderboard.site import rawdata
from humanbench.leaderboard.site.build import gather
from humanbench.leaderboard.site.html_check import problems
from humanbench.leaderboard.submissions import store as stored
from humanbench.leaderboard.submissions.bundle import gathered, write_submission
from humanbench.leaderboard.submissions.claims import contents
from humanbench.leaderboard.submissions.log import StoreError, read_events
from humanbench.leaderboard.submissions.rescore import SubmissionReport
from humanbench.leaderboard.submissions.store import (
    Accepted,
    accept,
    add,
    copied,
    load_store,
    verify_store,
    withdraw,
)
from humanbench.paths import shipped
from humanbench.results import Cell
from tests.evaluated import run, write_dataset
from tests.leaderboard.honest import edit_result, renewed, write_honest_run
from tests.leaderboard.made import made_result


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for name in ("pa100k", "shanghaitech_a", "market1501"):
        write_dataset(load_card(name), folder)
    return folder


@pytest.fixture(scope="module")
def archives(root: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Submissions of two runs."""
    place = tmp_path_factory.mktemp("archives")
    made = []
    for number, datasets in enumerate((["pa100k", "shanghaitech_a"], ["market1501"])):
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


def test_the_default_store_is_that_of_the_working_folder_and_is_printed(
    archives: list[Path], root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "leaderboard" / "submissions"
    first = run("leaderboard", "verify")
    assert (first.exit_code, first.stderr) == (0, f"accepted submissions: {place} (not there yet)\n")
    done = run("leaderboard", "accept", archives[0], "--data-root", root, "--json")
    assert done.exit_code == 0, done.output
    assert f"accepted submissions: {place}" in done.stderr
    assert [one.id for one in load_store(place)] == [json.loads(done.stdout)["submission"]]
    assert len(gather([]).entries) == 1


def test_a_folder_of_submissions_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    said = f"{tmp_path}/none: there is no such folder of accepted submissions"
    with pytest.raises(StoreError, match=re.escape(said)):
        gather([], tmp_path / "none")
    for verb in (("build", "--out", tmp_path / "site"), ("verify",), ("withdraw", "x", "--reason", "y")):
        done = run("leaderboard", *verb, "--submissions", tmp_path / "none")
        assert (done.exit_code, said in done.stderr) == (2, True)
    assert list(tmp_path.iterdir()) == []


def test_what_was_accepted_is_on_the_board_as_rescored(store: Path, root: Path, archives: list[Path]) -> None:
    accept(archives[1], store)  # no data: claimed
    first, second = load_store(store)
    (entry,) = first.entries()
    assert {s.evidence for s in entry.scores.values()} == {"rescored"}
    assert (entry.submission, entry.submitter) == (first.id, "A. Student")
    assert entry.name == "mae_vitb by A. Student"  # nobody knows whether these are the weights of that card
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
    edit_result(next(store.glob("*/results/pa100k-*.json")).parents[1], "pa100k", trainable=1)


def _edit_manifest(store: Path) -> None:
    path = next(store.glob("*/manifest.json"))
    path.write_text(path.read_text().replace("A. Student", "B. Student"))


def _edit_predictions(store: Path) -> None:
    path = next(store.glob("*/predictions/pa100k-*"))
    path.write_bytes(path.read_bytes()[:-2] + b"1\n")


def _remove_predictions(store: Path) -> None:
    next(store.glob("*/predictions/pa100k-*")).unlink()


def _add_file(store: Path) -> None:
    (next(store.glob("*/predictions")) / "more.csv").write_text("x")


def _link_predictions(store: Path) -> None:
    path = next(store.glob("*/predictions/pa100k-*"))
    path.rename(store.parent / "elsewhere")
    path.symlink_to(store.parent / "elsewhere")


def _add_folder(store: Path) -> None:
    (store / "mine").mkdir()


def _add_pipe(store: Path) -> None:
    os.mkfifo(next(store.glob("*/predictions")) / "more.csv")


def _pipe_for_manifest(store: Path) -> None:
    path = next(store.glob("*/manifest.json"))
    path.unlink()
    os.mkfifo(path)


def _link_folder(store: Path) -> None:
    place = min(p for p in store.iterdir() if p.is_dir())
    place.rename(store.parent / "moved")
    place.symlink_to(store.parent / "moved")


def _link_log(store: Path) -> None:
    (store / "log.jsonl").rename(store.parent / "moved.jsonl")
    (store / "log.jsonl").symlink_to(store.parent / "moved.jsonl")


def _remove_folder(store: Path) -> None:
    next(p for p in store.iterdir() if p.is_dir()).rename(store.parent / "gone")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_edit_line, "the log was changed"),
        (_drop_line, "the log was changed"),
        (_edit_result, "was changed after it was accepted"),
        (_edit_manifest, "its manifest was changed"),
        (_edit_predictions, "was changed after it was accepted"),
        (_remove_predictions, "is gone, which was accepted with it"),
        (_add_file, "'predictions/more.csv' was put there after it was accepted"),
        (_link_predictions, "is a link"),
        (_add_folder, "folder 'mine' was never accepted by a line of log.jsonl"),
        (_add_pipe, "'predictions/more.csv' is a pipe, socket or device"),
        (_pipe_for_manifest, "manifest.json: a file was expected"),
        (_remove_folder, "damaged or gone"),
        (_link_folder, "is a link, which was put there after it was accepted"),
        (_link_log, "log.jsonl: is a link; put the log itself into the folder"),
    ],
)
def test_a_change_behind_the_boards_back_is_noticed(store: Path, archives: list[Path], change, said: str) -> None:  # type: ignore[no-untyped-def]
    accept(archives[1], store)
    assert run("leaderboard", "verify", "--submissions", store).output == f"{store}: 2 accepted, all as they were\n"
    change(store)
    with pytest.raises(StoreError, match=re.escape(said)):
        load_store(store)
    done = run("leaderboard", "verify", "--submissions", store)
    assert done.exit_code in (1, 2)
    assert said in done.output


@pytest.mark.parametrize(
    "change", [_edit_predictions, _remove_predictions, _edit_result, _edit_manifest, _remove_folder]
)
def test_what_was_changed_can_be_withdrawn_and_then_stops_no_build(store: Path, tmp_path: Path, change: Any) -> None:
    name = read_events(store)[0][0].submission
    change(store)
    done = run("leaderboard", "build", "--out", tmp_path / "site", "--submissions", store)
    assert done.exit_code == 2
    assert f"or withdraw {name}" in done.output
    assert withdraw(name, "damaged", store) == name
    done = run("leaderboard", "build", "--out", tmp_path / "site", "--submissions", store)
    assert done.exit_code == 0, done.output
    assert "it is left out" in done.output


def _chained(*events: dict[str, Any]) -> bytes:
    """Lines that continue each other."""
    lines: list[bytes] = []
    for event in events:
        previous = hashlib.sha256(lines[-1]).hexdigest() if lines else ""
        lines.append(json.dumps(event | {"previous": previous}).encode())
    return b"".join(line + b"\n" for line in lines)


def _state(store: Path) -> dict[str, bytes]:
    """All files but the lock, by name."""
    files = (p for p in store.rglob("*") if p.is_file() and p.name != ".lock")
    return {p.relative_to(store).as_posix(): p.read_bytes() for p in files}


def test_a_lost_log_stops_every_writer_and_removes_nothing(store: Path, archives: list[Path], root: Path) -> None:
    """Lost, emptied, filled with NUL, its only line torn: the folders are real, and accepting went on without them."""
    (event,) = read_events(store)[0]
    log, other = store / "log.jsonl", store / "other"
    whole = log.read_bytes()
    shutil.copytree(store / event.submission, other)
    report = SubmissionReport("x", name="Run 0", manifest_sha256=str(event.manifest_sha256))
    for content in (None, b"", bytes(len(whole)), whole[:-20]):
        log.unlink(missing_ok=True)
        if content is not None:
            log.write_bytes(content)
        before = _state(store)
        calls = (lambda: add(other, report, store), lambda: withdraw(event.submission, "x", store))
        for call in (*calls, lambda: load_store(store)):
            with pytest.raises(StoreError, match=r"bring log\.jsonl back from a copy") as said:
                call()
            assert f"folders 'other', '{event.submission}' were never accepted" in str(said.value)
            assert "remove" not in str(said.value)
            assert _state(store) == before
        assert "may be damaged or lost" in verify_store(store)[-1]
    done = run("leaderboard", "accept", archives[1], "--data-root", root, "--submissions", store)
    assert (done.exit_code, "bring log.jsonl back" in done.stderr) == (2, True)


def test_a_withdrawal_whose_line_is_cut_is_said(store: Path) -> None:
    name = withdraw(entry_id(store), "cheat", store)
    (store / "log.jsonl").write_bytes((store / "log.jsonl").read_bytes()[:-20])
    with pytest.warns(DataWarning, match="a withdrawal that was not made; withdraw again"):
        (one,) = load_store(store)
    assert (one.id, one.withdrawn) == (name, "")


def test_what_only_looks_like_a_part_of_the_store_is_named_or_removed(tmp_path: Path) -> None:
    """Pipes where files are read, folders where the lock is, files and links where an acceptance was cut off."""
    log, lock, staged = (tmp_path / name for name in ("log.jsonl", ".lock", ".x.accepting"))
    os.mkfifo(log)
    for call in (load_store, verify_store, lambda place: withdraw("x", "y", place)):
        with pytest.raises(StoreError, match=r"log.jsonl: a file was expected.*bring log.jsonl back"):
            call(tmp_path)
    log.unlink()
    lock.unlink(missing_ok=True)
    for make in (lock.mkdir, lambda: os.mkfifo(lock)):
        make()
        with pytest.raises(StoreError, match=r"\.lock: must be a file.*remove what lies there"):
            withdraw("x", "y", tmp_path)
        (lock.rmdir if lock.is_dir() else lock.unlink)()
    staged.write_text("somebody's")
    with pytest.raises(StoreError, match=r"\.x\.accepting: is no folder.*remove it"):
        load_store(tmp_path)
    (wrong,) = verify_store(tmp_path)
    assert wrong.endswith("remove it")
    (tmp_path / "elsewhere.txt").write_text("kept")
    for make in (lambda: staged.write_text(""), lambda: staged.symlink_to(tmp_path / "elsewhere.txt")):
        staged.unlink()
        make()
        assert load_store(tmp_path) == []
        assert not os.path.lexists(staged)
        staged.write_text("")
    assert (tmp_path / "elsewhere.txt").read_text() == "kept"


_GOOD = {"event": "accepted", "submission": "x", "date": "2026-01-01", "manifest_sha256": "0" * 64, "evidence": {}}


@pytest.mark.parametrize(
    "content",
    [
        b"[1]\n", b"1\n", b"null\n", b"\n", b"\xff\xfe\n", b"[" * 100_000 + b"\n",
        b'{"previous": ' + b"9" * 5000 + b"}\n",
        _chained(_GOOD | {"submission": "../../etc"}),
        _chained(_GOOD | {"submission": ["x"]}),
        _chained(_GOOD | {"submission": 7}),
        _chained(_GOOD | {"date": 20260101}),
        _chained(_GOOD | {"date": "x" * 10_000}),
        _chained(_GOOD | {"evidence": {"0" * 64: "published"}}),
        _chained(_GOOD | {"evidence": 3}),
        _chained(_GOOD | {"manifest_sha256": None}),
        _chained(_GOOD, _GOOD),
        _chained(_GOOD | {"event": "withdrawn", "reason": "x"}),
        _chained(_GOOD | {"event": "promoted"}),
        _chained(_GOOD | {"more": 1}),
        _chained(_GOOD, {"event": "withdrawn", "submission": "x", "date": "2026-01-02"}),
    ],
)  # fmt: skip
def test_odd_lines_of_the_log_are_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "log.jsonl").write_bytes(content)
    with pytest.raises(StoreError, match=r"log.jsonl, line \d.*bring log.jsonl back from a copy"):
        read_events(tmp_path)[0]


def test_a_copy_under_another_name_is_refused_and_so_is_one_that_was_withdrawn(
    store: Path, root: Path, tmp_path: Path
) -> None:
    folder = write_honest_run(tmp_path / "run", root, ["pa100k"])
    edit_result(folder, "pa100k", backbone="mine")
    with gathered(folder, "Quite another", "B. Student") as place:
        other = write_submission(place, tmp_path / "other.zip")
    report, name = accept(other, store, root)
    assert (name, len(report.problems)) == ("", 1)
    assert "pa100k, head, seed 0: this cell came in with run-0-" in report.problems[0]
    done = run("leaderboard", "check", other, "--data-root", root, "--submissions", store)
    assert (done.exit_code, "this cell came in with" in done.output) == (1, True)
    withdraw(entry_id(store), "trained on the test", store)
    report, name = accept(other, store, root)
    assert "which was withdrawn on" in report.problems[0]
    assert "(trained on the test)" in report.problems[0]


def test_an_acceptance_reads_no_folder_of_those_before_it(
    store: Path, root: Path, archives: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []
    load = stored.load_accepted
    monkeypatch.setattr(
        stored, "load_accepted", lambda folder, *more: loaded.append(folder.name) or load(folder, *more)
    )
    assert accept(archives[1], store, root)[1].startswith("run-1-")
    assert loaded == []


def test_a_line_of_a_version_that_did_not_write_contents_is_known_from_its_folder(
    store: Path, root: Path, tmp_path: Path
) -> None:
    (event,) = read_events(store)[0]
    assert event.contents
    old = event.model_copy(update={"contents": None})
    (store / "log.jsonl").write_bytes(old.line() + b"\n")
    folder = write_honest_run(tmp_path / "run", root, ["pa100k"])
    with gathered(folder, "Quite another", "B. Student") as place:
        other = write_submission(place, tmp_path / "other.zip")
    report, name = accept(other, store, root)
    assert (name, len(report.problems)) == ("", 1)
    assert "this cell came in with run-0-" in report.problems[0]


def test_recorded_predictions_under_another_cell_are_refused(store: Path, root: Path, tmp_path: Path) -> None:
    """The seed is another one, every hash was made to fit, the predictions are those that came in before."""
    folder = write_honest_run(tmp_path / "run", root, ["pa100k"])
    (path,) = (folder / "results").glob("*.json")
    cell = Cell.model_validate(json.loads(path.read_text())["cell"] | {"seed": 5})
    edit_result(folder, "pa100k", seed=5, cell={**cell.model_dump(mode="json"), "id": key_of(cell.content)})
    with gathered(folder, "Other seed") as place:
        other = write_submission(place, tmp_path / "other.zip")
    report, name = accept(other, store, root)
    assert name == ""
    assert "seed 5: these predictions came in with run-0-" in report.problems[0]


def test_predictions_without_a_training_are_refused_again_for_the_same_weights() -> None:
    """A changed seed, network or hash of the pictures makes another cell of them, and no other predictions."""
    first = made_result("pa100k", regime="none")
    owner = Accepted("first", "2026-01-01", None, None, (), {}, contents=contents(first.model_dump()))
    assert contents(first) == owner.contents
    for change in ({"seed": 7}, {"architecture": "0" * 64}, {"data_sha256": "1" * 64}):
        again = first.model_copy(update={"cell": first.cell.model_copy(update={"id": "2" * 64, **change})})
        assert "these predictions came in with first" in copied([again], [owner])
    other = first.cell.model_copy(update={"id": "2" * 64, "weights_sha256": "3" * 64})
    assert copied([first.model_copy(update={"cell": other})], [owner]) == ""


def test_one_entry_whose_page_cannot_be_written_is_left_out(
    store: Path, archives: list[Path], root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a version of the future lets in and cannot show: the others have their pages."""
    accept(archives[1], store, root)
    bad, good = (one.entries()[0].id for one in load_store(store))
    real = rawdata.entry_json

    def failing(entry: Any) -> str:
        if entry.id == bad:
            raise OverflowError("int too large to convert to float")
        return real(entry)

    monkeypatch.setattr(rawdata, "entry_json", failing)
    out = tmp_path / "site"
    done = run("leaderboard", "build", "--out", out, "--submissions", store, "--check")
    assert done.exit_code == 0, done.output
    assert f"{bad}: its pages cannot be written (OverflowError: int too large to convert to float)" in done.output
    assert [path.stem for path in (out / "entries").iterdir()] == [good]


def test_numbers_that_an_older_version_took_do_not_stop_a_build(store: Path, tmp_path: Path) -> None:
    """A result with 10**400 parameters, every hash of file, manifest and log made to fit."""
    folder = next(p for p in store.iterdir() if p.is_dir())
    edit_result(folder, "pa100k", trainable=10**400)
    renewed(folder)
    (event,) = read_events(store)[0]
    line = event.model_copy(update={"manifest_sha256": file_sha256(folder / "manifest.json")}).line()
    (store / "log.jsonl").write_bytes(line + b"\n")
    done = run("leaderboard", "build", "--out", tmp_path / "site", "--submissions", store)
    assert done.exit_code == 0, done.output
    assert "holds what this humanbench does not take" in done.output
    assert withdraw(event.submission, "absurd", store) == event.submission


def test_a_card_s_name_is_shown_where_the_weights_are_known_to_be_its_own(store: Path) -> None:
    (entry,) = load_store(store)[0].entries()
    (own,) = backbone_cards()["mini_mae"].tensors_sha256
    theirs = replace(entry, backbone="mini_mae", weights_sha256=own)
    assert theirs.name == backbone_cards()["mini_mae"].name
    assert replace(theirs, weights_sha256="0" * 64).name == "mini_mae by A. Student"
    assert replace(theirs, weights_sha256="0" * 64, submission="").name == backbone_cards()["mini_mae"].name
    assert replace(theirs, weights_sha256="0" * 64, submitter="").name == "mini_mae by its submitter"


def test_an_empty_store_is_no_error(tmp_path: Path) -> None:
    assert load_store(tmp_path / "none") == []
    assert read_events(tmp_path)[0] == []


def test_an_untouched_store_reads_as_it_was_written(store: Path) -> None:
    assert [event.event for event in read_events(store)[0]] == ["accepted"]
    assert [len(one.results) for one in load_store(store)] == [2]


def test_the_default_folder_need_not_be_there_to_build_or_verify(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody who has accepted nothing yet builds a site of runs alone; the folder is said, and not made."""
    monkeypatch.chdir(tmp_path)
    for words in (("build", shipped("baselines") / "results" / "mini_path-head", "--out", "site"), ("verify",)):
        done = run("leaderboard", *words)
        assert done.exit_code == 0, done.output
        assert f"accepted submissions: {tmp_path / 'leaderboard' / 'submissions'} (not there yet)" in done.stderr
    assert (tmp_path / "site" / "index.html").exists()
    assert not (tmp_path / "leaderboard").exists()
