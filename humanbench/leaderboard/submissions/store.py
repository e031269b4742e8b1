"""The accepted submissions: a folder of each, and a log that only grows.

Every line of `log.jsonl` holds the SHA-256 of the line before it, and of the manifest it is about, which holds those of
the files. So nothing that was accepted can be changed or taken away without the next reader seeing it (the newest line
is protected by the one that will follow it, and by the history of the repository that the folder lies in).

An acceptance is one step: the folder is written under a hidden name and synced, the line in the log makes it accepted,
and then it gets its name. Whoever is killed between leaves something that the next one, whatever it does, finishes
(the line is there) or takes back (it is not). So a folder with its name and no line is never of an acceptance that was
cut off: the log was damaged or the folder is a stranger's, and nothing is written until people have decided.
"""

from __future__ import annotations

import datetime
import errno
import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from humanbench.data.identity import FileHashes
from humanbench.errors import DataError
from humanbench.files import entry_synced, synced, with_usual_mode
from humanbench.hashing import file_sha256
from humanbench.leaderboard.model.entries import BoardEntry, Evidence, entries_of
from humanbench.leaderboard.submissions.archive import SubmissionError, opened
from humanbench.leaderboard.submissions.bundle import submission_id
from humanbench.leaderboard.submissions.claims import contents
from humanbench.leaderboard.submissions.log import (
    FROM_A_COPY,
    LOG,
    LogEvent,
    StoreError,
    append_event,
    mend_log,
    read_events,
)
from humanbench.leaderboard.submissions.manifest import (
    BackboneRecord,
    Manifest,
    read_document,
    read_manifest,
    read_result_strictly,
    regular,
    validated,
)
from humanbench.leaderboard.submissions.rescore import SubmissionReport, check_folder
from humanbench.leftovers import is_leftover
from humanbench.names import shown
from humanbench.results import Result
from humanbench.results.cells import words_of
from humanbench.text import nearest

_STAGED = ".accepting"
"""How the hidden name of a folder ends that is being accepted."""
_MOST_NAMED = 5
"""Folders that one sentence names."""


@dataclass(frozen=True)
class Accepted:
    """An accepted submission. `evidence` by cell id; `withdrawn` is the reason, `withdrawn_on` the day.

    `contents`: the ids of its cells and the hashes of what trainings predicted. `problem`: why it cannot be shown.
    """

    id: str
    date: str
    manifest: Manifest | None
    backbone: BackboneRecord | None
    results: tuple[Result, ...]
    evidence: dict[str, Evidence]
    withdrawn: str = ""
    withdrawn_on: str = ""
    contents: frozenset[str] = frozenset()
    problem: str = ""

    def entries(self) -> list[BoardEntry]:
        """Its rows on the boards; none where there is a problem."""
        if self.manifest is None or self.backbone is None or self.problem:
            return []
        seen = self.backbone.pretrained_on
        origin = {"submission": self.id, "submitter": self.manifest.submitter, "date": self.date}
        entries = entries_of(self.results, lambda _: seen, self.evidence, **origin)
        record = self.backbone.model_dump(mode="json")
        return [replace(entry, withdrawn=self.withdrawn, record=record) for entry in entries]


def load_accepted(folder: Path, event: LogEvent, hashes: FileHashes | None) -> Accepted:
    """What this event of the log accepted; its files are held against their hashes by `hashes` if given."""
    bare = Accepted(event.submission, event.date, None, None, (), event.evidence)
    if folder.is_symlink():
        return replace(bare, problem=f"{folder}: is a link, which was put there after it was accepted")
    try:
        if file_sha256(regular(folder / "manifest.json")) != event.manifest_sha256:
            return replace(bare, problem=f"{folder}: its manifest was changed after it was accepted")
        manifest = read_manifest(folder)
        if hashes is not None and (changed := _changed(folder, manifest, hashes)):
            return replace(bare, problem=f"{folder}: {changed}")
        names = sorted(name for name in manifest.files if name.startswith("results/"))
        documents = [read_document(folder / name) for name in names]
    except (OSError, SubmissionError) as error:
        return replace(bare, problem=f"{folder}: what was accepted is damaged or gone ({error})")
    one = replace(bare, manifest=manifest, contents=frozenset().union(*(contents(d) for d in documents)))
    try:
        backbone = validated(BackboneRecord, read_document(folder / "backbone.json"), "backbone.json")
        return replace(one, backbone=backbone, results=tuple(read_result_strictly(folder / name) for name in names))
    except SubmissionError as error:
        return replace(one, problem=f"{folder}: holds what this humanbench does not take ({error})")


def _changed(folder: Path, manifest: Manifest, hashes: FileHashes) -> str:
    """What is not as the manifest says, in words."""
    there: set[str] = set()
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            return f"{name!r} is a link, which was put there after it was accepted"
        if is_leftover(name) or path.is_dir():
            continue
        if not path.is_file():
            return f"{name!r} is a pipe, socket or device, which was put there after it was accepted"
        there.add(name)
    wanted = {*manifest.files, "manifest.json"}
    if missing := sorted(wanted - there):
        return f"{missing[0]} is gone, which was accepted with it (damaged or gone: {len(missing)})"
    if more := sorted(there - wanted):
        return f"{more[0]!r} was put there after it was accepted"
    try:
        sha256_by_file = hashes(folder / name for name in manifest.files)
    except DataError as error:
        return f"what was accepted is damaged or gone ({error})"
    wrong = [name for name, entry in manifest.files.items() if sha256_by_file[str(folder / name)] != entry.sha256]
    return f"{wrong[0]} was changed after it was accepted" if wrong else ""


def default_store() -> Path:
    """`leaderboard/submissions` of the working folder; never of the installed package, which is not the user's."""
    return Path("leaderboard") / "submissions"


def store_folder(given: Path | None) -> Path:
    """The folder that is given, which must be there (`StoreError`), or the default one, which need not be."""
    if given is not None and not given.is_dir():
        raise StoreError(f"{given}: there is no such folder of accepted submissions (`leaderboard accept` makes one)")
    return given if given is not None else default_store()


def accept(path: Path, store: Path, data_root: os.PathLike[str] | None = None) -> tuple[SubmissionReport, str]:
    """Check a submission and, if nothing is wrong with it, add it; the report, and its id (empty if rejected).

    What was accepted is never replaced, and what holds a cell that was accepted, or the predictions of one, is
    rejected: that is a copy, whatever it is called.
    """
    report = SubmissionReport(str(path))
    try:
        with opened(path) as folder:
            check_folder(folder, report, data_root)
            return report, add(folder, report, store) if report.ok else ""
    except SubmissionError as error:
        report.problems.append(str(error))
        return report, ""


def add(folder: Path, report: SubmissionReport, store: Path) -> str:
    """Add a submission that was checked, in one step; its id. Raises `SubmissionError` for one that is there."""
    name = submission_id(report.name, report.manifest_sha256)
    with _writing(store) as events:
        if any(event.submission == name for event in events):
            raise SubmissionError(f"{name} is there already; what was accepted is never replaced")
        if copy := copied(report.results, _loaded(store, events, None, contents_alone=True)):
            raise SubmissionError(copy)
        if os.path.lexists(store / name):
            raise StoreError(f"{store / name}: something lies here that was never accepted; move it away")
        staged = store / f".{name}{_STAGED}"
        try:
            shutil.copytree(folder, staged, ignore=lambda _, names: filter(is_leftover, names))
            with_usual_mode(staged)
            synced(staged)
            evidence = {cell.cell: cell.verdict for cell in report.cells if cell.verdict != "rejected"}
            more = frozenset().union(*map(contents, report.results)) - evidence.keys()
            fields = {"manifest_sha256": report.manifest_sha256, "evidence": evidence, "contents": tuple(sorted(more))}
            append_event(store, {"event": "accepted", "submission": name, "date": _today(), **fields})
        except BaseException:
            _recover(store)
            raise
        _recover(store)  # it gets its name
    return name


def copied(results: Sequence[Result], accepted: Sequence[Accepted]) -> str:
    """Which accepted submission these results are copied from, in a sentence; empty for new ones."""
    for result in results:
        known = contents(result)
        owner = next((one for one in accepted if known & one.contents), None)
        if owner is not None:
            state = f", which was withdrawn on {owner.withdrawn_on} ({owner.withdrawn})" if owner.withdrawn else ""
            what = "this cell" if result.cell.id in owner.contents else "these predictions"
            return (
                f"{result.dataset}, {words_of(result)}: {what} came in with {owner.id}{state}; what was accepted or "
                "withdrawn does not come in again under another name (submit a run that holds new cells alone)"
            )
    return ""


def withdraw(name: str, reason: str, store: Path) -> str:
    """Take a submission out of the rankings, with the reason; it stays on record. Its id.

    `name` is the id of a submission or of one of its entries. Whatever state they are in, an accepted submission can
    be withdrawn, and then it stops no build. Raises `StoreError` for an unknown or withdrawn one.
    """
    if not shown(reason, 400):
        raise StoreError("withdrawing needs a reason (--reason): it stays on the entry's page")
    if not store.is_dir():
        raise StoreError(f"{store}: no accepted submission or entry is called {shown(name)!r}")
    with _writing(store) as events:
        owner = _owner(name, store, events)
        before = next((e for e in events if e.event == "withdrawn" and e.submission == owner), None)
        if before is not None:
            raise StoreError(f"{owner} was withdrawn on {before.date}")
        append_event(store, {"event": "withdrawn", "submission": owner, "date": _today(), "reason": shown(reason, 400)})
    return owner


def _owner(name: str, store: Path, events: Sequence[LogEvent]) -> str:
    """The submission of this id, or the one that an entry of this id came in with."""
    known = [event.submission for event in events if event.event == "accepted"]
    if name in known:
        return name
    entries = {entry.id: one.id for one in _loaded(store, events, None) for entry in one.entries()}
    if name not in entries:
        hint = nearest(name, [*known, *entries])
        raise StoreError(f"{store}: no accepted submission or entry is called {shown(name)!r}{hint}")
    return entries[name]


def load_store(store: Path) -> list[Accepted]:
    """All accepted submissions, in the order of their acceptance, withdrawn ones too.

    Every file is held against its hash (those of predictions are remembered as long as the files are not touched). An
    acceptance that was cut off is finished or taken back first. Raises `StoreError` where the log or a submission was
    changed, naming it, unless it is withdrawn: that one has a `problem`, and so has one whose numbers this version
    does not take.
    """
    events, torn = read_events(store)
    if torn or _staged(store):
        try:
            with _writing(store) as settled:
                events = settled
        except PermissionError:
            pass  # others' submissions are read as they are
        except OSError as error:
            if error.errno != errno.EROFS:
                raise
    accepted = _loaded(store, events, FileHashes())
    for one in accepted:
        if one.problem and not one.withdrawn and one.manifest is None:
            raise StoreError(f"{one.problem}; put back what was accepted, or withdraw {one.id}")
    if unaccepted := _unaccepted(store, events):
        raise StoreError(unaccepted)
    return accepted


def verify_store(store: Path) -> list[str]:
    """All that is not as it was accepted, after every byte was read; empty for an untouched store.

    Raises `StoreError` where the log itself was changed: nothing can be held against it then.
    """
    events, torn = read_events(store)
    wrong = [f"{store / LOG}: its last line is cut off"] if torn else []
    wrong += [
        f"{place.name}: an acceptance that was cut off" if _is_folder(place) else _no_acceptance(place)
        for place in _staged(store)
    ]
    hashes = FileHashes(remember=False)
    wrong += [one.problem for one in _loaded(store, events, hashes) if one.problem]
    unaccepted = _unaccepted(store, events)
    return [*wrong, unaccepted] if unaccepted else wrong


def _recover(store: Path) -> list[LogEvent]:
    """Finish the acceptances that the log holds, take back the others; the store is locked. The log's events.

    Raises `StoreError`, and has changed nothing, where a folder has its name and no line accepts it, or what is called
    as an acceptance that was cut off cannot be one.
    """
    events, torn = read_events(store)
    if unaccepted := _unaccepted(store, events):
        raise StoreError(unaccepted)
    for place in _staged(store):
        if not _is_folder(place) and not _is_nothing(place):
            raise StoreError(_no_acceptance(place))
    if torn:
        mend_log(store)
        events, _ = read_events(store)
    accepted = {event.submission for event in events if event.event == "accepted"}
    for place in _staged(store):
        name = place.name[1:].removesuffix(_STAGED)
        if not _is_folder(place):
            place.unlink()
        elif name in accepted and not (store / name).exists():
            place.rename(store / name)
        else:
            shutil.rmtree(place)
    entry_synced(store)
    return events


def _staged(store: Path) -> list[Path]:
    return sorted(store.glob(f".*{_STAGED}"))


def _is_folder(place: Path) -> bool:
    return place.is_dir() and not place.is_symlink()


def _is_nothing(place: Path) -> bool:
    """A link or an empty file: nothing is lost with it."""
    return place.is_symlink() or (place.is_file() and place.stat().st_size == 0)


def _no_acceptance(place: Path) -> str:
    """What to do about a place that is called as an acceptance that was cut off, and is no folder."""
    return f"{place}: is no folder, so no acceptance of humanbench's that was cut off; remove it"


def _unaccepted(store: Path, events: Sequence[LogEvent]) -> str:
    """What to do about folders that no line of the log accepts: more often the log is damaged than they are strange.
    Empty where there are none."""
    known = {event.submission for event in events}
    places = [p for p in sorted(store.iterdir()) if p.is_dir() or p.is_symlink()] if store.is_dir() else []
    names = [place.name for place in places if place.name not in known and place.name[0] != "."]
    if not names:
        return ""
    named = ", ".join(repr(name) for name in names[:_MOST_NAMED])
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    what, them, were = ("folders", "them", "were") if len(names) > 1 else ("folder", "it", "was")
    return (
        f"{store}: {what} {named}{more} {were} never accepted by a line of {LOG}, which may be damaged or lost: "
        f"{FROM_A_COPY}; or move {them} away if no copy of it ever accepted {them}"
    )


def _loaded(
    store: Path, events: Sequence[LogEvent], hashes: FileHashes | None, contents_alone: bool = False
) -> list[Accepted]:
    """What was accepted, each with what is wrong with it; files are held against their hashes by `hashes` if given.

    `contents_alone`: only as far as its copies are known by it, from the log where its line says that. So an acceptance
    does not read all that came before it.
    """
    accepted: dict[str, Accepted] = {}
    for event in events:
        name = event.submission
        if event.event == "withdrawn":
            accepted[name] = replace(accepted[name], withdrawn=event.reason, withdrawn_on=event.date)
        elif contents_alone and event.contents is not None:
            names = frozenset((*event.evidence, *event.contents))
            accepted[name] = Accepted(name, event.date, None, None, (), event.evidence, contents=names)
        else:
            place = store / name
            staged = store / f".{name}{_STAGED}"  # where nobody may write, one that was cut off stays there
            accepted[name] = load_accepted(place if place.exists() or not staged.is_dir() else staged, event, hashes)
    return list(accepted.values())


@contextmanager
def _writing(store: Path) -> Iterator[list[LogEvent]]:
    """One writer at a time, who finds what the one before left finished or taken back, and the log's events."""
    store.mkdir(parents=True, exist_ok=True)
    lock = store / ".lock"
    if os.path.lexists(lock) and (lock.is_symlink() or not lock.is_file()):
        raise StoreError(f"{lock}: must be a file, which one writer at a time holds locked; remove what lies there")
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield _recover(store)


def _today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()
