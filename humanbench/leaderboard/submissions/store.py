"""The accepted submissions: a folder of each, and a log that only grows.

Every line of `log.jsonl` holds the SHA-256 of the line before it, and of the manifest it is about, which holds those of
the files. So nothing that was accepted can be changed or taken away without the next reader seeing it (the newest line
is protected by the one that will follow it, and by the history of the repository that the folder lies in).
"""

from __future__ import annotations

import datetime
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from humanbench.errors import HumanbenchError
from humanbench.hashing import file_sha256
from humanbench.leaderboard.model.entries import BoardEntry, Evidence, entries_of
from humanbench.leaderboard.submissions.archive import SubmissionError, opened
from humanbench.leaderboard.submissions.bundle import submission_id
from humanbench.leaderboard.submissions.manifest import (
    BackboneRecord,
    Manifest,
    read_document,
    read_manifest,
    read_result_strictly,
    validated,
)
from humanbench.leaderboard.submissions.rescore import SubmissionReport, check_folder
from humanbench.names import shown
from humanbench.paths import shipped
from humanbench.results import Result
from humanbench.text import nearest

LOG = "log.jsonl"


class StoreError(HumanbenchError):
    """The accepted submissions are not what their log says, or do not have what is asked for."""


@dataclass(frozen=True)
class Accepted:
    """An accepted submission. `evidence` by cell id; `withdrawn` is the reason, `withdrawn_on` the day."""

    id: str
    date: str
    manifest: Manifest
    backbone: BackboneRecord
    results: tuple[Result, ...]
    evidence: dict[str, Evidence]
    withdrawn: str = ""
    withdrawn_on: str = ""

    def entries(self) -> list[BoardEntry]:
        """Its rows on the boards."""
        found = entries_of(
            self.results,
            lambda _: self.backbone.pretrained_on,
            self.evidence,
            submission=self.id,
            submitter=self.manifest.submitter,
            date=self.date,
        )
        record = self.backbone.model_dump(mode="json")
        return [replace(entry, withdrawn=self.withdrawn, record=record) for entry in found]


def default_store() -> Path:
    """`leaderboard/submissions` of this installation."""
    return shipped("leaderboard") / "submissions"


def accept(path: Path, store: Path, data_root: os.PathLike[str] | None = None) -> tuple[SubmissionReport, str]:
    """Check a submission and, if nothing is wrong with it, add it; the report, and its id (empty if rejected).

    Raises `SubmissionError` for one that is there already: what was accepted is never replaced.
    """
    report = SubmissionReport(str(path))
    try:
        with opened(path) as folder:
            check_folder(folder, report, data_root)
            return report, _add(folder, report, store) if report.ok else ""
    except SubmissionError as error:
        report.problems.append(str(error))
        return report, ""


def _add(folder: Path, report: SubmissionReport, store: Path) -> str:
    name = submission_id(report.name, report.manifest_sha256)
    store.mkdir(parents=True, exist_ok=True)
    with _locked(store):
        events = read_log(store)
        if any(event["submission"] == name for event in events) or (store / name).exists():
            raise SubmissionError(f"{name} is there already; what was accepted is never replaced")
        with tempfile.TemporaryDirectory(dir=store, prefix=f".{name}.") as place:
            shutil.copytree(folder, Path(place) / name)
            (Path(place) / name).rename(store / name)
        evidence = {cell.cell: cell.verdict for cell in report.cells}
        about = {"manifest_sha256": report.manifest_sha256, "evidence": evidence}
        _append(store, events, {"event": "accepted", "submission": name, "date": _today(), **about})
    return name


def withdraw(name: str, reason: str, store: Path) -> str:
    """Take a submission out of the rankings, with the reason; it stays on record. Its id.

    `name` is the id of a submission or of one of its entries. Raises `StoreError` for an unknown or withdrawn one.
    """
    if not reason.strip():
        raise StoreError("withdrawing needs a reason (--reason): it stays on the entry's page")
    with _locked(store):
        found = {a.id: a for a in load_store(store)}
        owners = [a for a in found.values() if name == a.id or name in {entry.id for entry in a.entries()}]
        if not owners:
            known = [*found, *(entry.id for a in found.values() for entry in a.entries())]
            raise StoreError(f"{store}: no accepted submission or entry is called {name!r}{nearest(name, known)}")
        if owners[0].withdrawn:
            raise StoreError(f"{owners[0].id} was withdrawn on {owners[0].withdrawn_on}")
        event = {"event": "withdrawn", "submission": owners[0].id, "date": _today(), "reason": shown(reason, 400)}
        _append(store, read_log(store), event)
    return owners[0].id


def load_store(store: Path) -> list[Accepted]:
    """All accepted submissions, in the order of their acceptance, withdrawn ones too.

    Raises `StoreError` where the log or a submission was changed, naming it. Predictions are not read.
    """
    found: dict[str, Accepted] = {}
    for event in read_log(store):
        name = event["submission"]
        if event["event"] == "accepted":
            found[name] = _load(store / name, event)
        elif event["event"] == "withdrawn" and name in found:
            found[name] = replace(found[name], withdrawn=event["reason"], withdrawn_on=event["date"])
    folders = store.iterdir() if store.is_dir() else ()
    strays = [p.name for p in folders if p.is_dir() and p.name not in found and p.name[0] != "."]
    if strays:
        raise StoreError(
            f"{store}: {strays[0]!r} was never accepted (`humanbench leaderboard accept` adds submissions)"
        )
    return list(found.values())


def read_log(store: Path) -> list[dict[str, Any]]:
    """The events, after a check that each line continues the one before; empty where there is no log."""
    path = store / LOG
    if not path.is_file():
        return []
    events, before = [], ""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            event = json.loads(line)
            fits = event["previous"] == before and event["event"] in ("accepted", "withdrawn") and event["submission"]
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(f"{path}, line {number}: not an event") from error
        if not fits:
            raise StoreError(f"{path}, line {number}: does not continue the line before it; the log was changed")
        before = hashlib.sha256(line.encode()).hexdigest()
        events.append(event)
    return events


def _append(store: Path, events: list[dict[str, Any]], event: dict[str, Any]) -> None:
    path = store / LOG
    lines = path.read_text(encoding="utf-8").splitlines() if events else []
    previous = hashlib.sha256(lines[-1].encode()).hexdigest() if lines else ""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps({**event, "previous": previous}, sort_keys=True) + "\n")


def _load(folder: Path, event: dict[str, Any]) -> Accepted:
    try:
        if file_sha256(folder / "manifest.json") != event["manifest_sha256"]:
            raise StoreError(f"{folder}: its manifest was changed after it was accepted")
        manifest = read_manifest(folder)
        for name, entry in manifest.files.items():
            if not name.startswith("predictions/") and file_sha256(folder / name) != entry.sha256:
                raise StoreError(f"{folder}: {name} was changed after it was accepted")
        backbone = validated(BackboneRecord, read_document(folder / "backbone.json"), "backbone.json")
        names = sorted(name for name in manifest.files if name.startswith("results/"))
        results = tuple(read_result_strictly(folder / name) for name in names)
    except (OSError, SubmissionError) as error:
        raise StoreError(f"{folder}: what was accepted is damaged or gone ({error})") from error
    evidence = cast("dict[str, Evidence]", event["evidence"])
    return Accepted(folder.name, str(event["date"]), manifest, backbone, results, evidence)


@contextmanager
def _locked(store: Path) -> Iterator[None]:
    """One writer at a time."""
    store.mkdir(parents=True, exist_ok=True)
    with (store / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()
