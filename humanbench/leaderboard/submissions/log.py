"""The log of a store of accepted submissions, which only grows: each line holds the SHA-256 of the one before it."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from humanbench.errors import DataWarning, HumanbenchError
from humanbench.files import entry_synced
from humanbench.leaderboard.model.entries import Evidence
from humanbench.leaderboard.submissions.archive import SubmissionError
from humanbench.leaderboard.submissions.manifest import regular
from humanbench.names import shown
from humanbench.schema import Record, Sha256, problem

LOG = "log.jsonl"
FROM_A_COPY = f"bring {LOG} back from a copy (or version control)"
"""How a log that was changed is mended."""
_LONGEST_LINE = 1 << 20


class StoreError(HumanbenchError):
    """The accepted submissions are not what their log says, or do not have what is asked for."""


class LogEvent(Record):
    """A line of the log. `previous`: SHA-256 of the line before it, empty for the first.

    `contents`: by what else than its cells, which `evidence` names, what was accepted is known again; None in the
    lines of versions that did not write it.
    """

    event: Literal["accepted", "withdrawn"]
    submission: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,78}[a-z0-9])?$")]
    date: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    previous: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]
    manifest_sha256: Sha256 | None = None
    evidence: dict[Sha256, Evidence] = {}
    contents: tuple[str, ...] | None = None
    reason: Annotated[str, Field(max_length=400)] = ""

    def fits(self, accepted: set[str]) -> bool:
        """Whether it can come after the acceptance of these submissions."""
        if self.event == "withdrawn":
            return bool(self.reason) and self.submission in accepted
        return self.manifest_sha256 is not None and self.submission not in accepted

    def line(self) -> bytes:
        """As it stands in the log."""
        return json.dumps(self.model_dump(exclude_defaults=True), sort_keys=True).encode()


def read_events(store: Path) -> tuple[list[LogEvent], bool]:
    """The events, after a check that each line continues the one before, none where there is no log; and whether the
    log's last line was cut off (one that only lacks its end counts)."""
    path = store / LOG
    if path.is_symlink():
        raise StoreError(f"{path}: is a link; put the log itself into the folder")
    if not path.exists():
        return [], False
    try:
        *lines, last = regular(path).read_bytes().split(b"\n")
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror})") from error
    except SubmissionError as error:
        raise StoreError(f"{path}: cannot be read ({error}); {FROM_A_COPY}") from error
    events: list[LogEvent] = []
    before, known = "", set[str]()
    for number, line in enumerate(lines, 1):
        events.append(_event(line, before, known, f"{path}, line {number}"))
        known.add(events[-1].submission)
        before = hashlib.sha256(line).hexdigest()
    try:
        if last:
            events.append(_event(last, before, known, str(path)))
    except StoreError:
        return events, True  # the process that wrote it was ended: it says nothing
    return events, bool(last)


def _event(line: bytes, before: str, accepted: set[str], where: str) -> LogEvent:
    if len(line) > _LONGEST_LINE:
        raise StoreError(f"{where}: not an event (a line of {len(line):,} bytes); {FROM_A_COPY}")
    try:
        event = LogEvent.model_validate_json(line, strict=True)
    except ValidationError as error:
        raise StoreError(f"{where}: not an event ({shown(problem(error), 200)}); {FROM_A_COPY}") from error
    if event.previous != before:
        raise StoreError(f"{where}: does not continue the line before it; the log was changed: {FROM_A_COPY}")
    if not event.fits(accepted):
        raise StoreError(f"{where}: not an event that can come here; the log was changed: {FROM_A_COPY}")
    return event


def append_event(store: Path, event: dict[str, Any]) -> None:
    """Write a line, whole or not at all: what is cut off is no line, and the next one removes it."""
    path = store / LOG
    content = path.read_bytes() if path.exists() else b""
    lines = content.splitlines()
    previous = hashlib.sha256(lines[-1]).hexdigest() if lines else ""
    line = LogEvent.model_validate({**event, "previous": previous}).line() + b"\n"
    with path.open("ab", buffering=0) as file:
        while line:
            line = line[file.write(line) :]
        os.fsync(file.fileno())
    entry_synced(store)


def mend_log(store: Path) -> None:
    """Give the last line its end if that is all it lacks, else take off what is there of it, and say so."""
    path = store / LOG
    content = path.read_bytes()
    complete_lines = content[: content.rfind(b"\n") + 1]
    before = hashlib.sha256(complete_lines.splitlines()[-1]).hexdigest() if complete_lines else ""
    try:
        LogEvent.model_validate_json(content[len(complete_lines) :], strict=True)
        whole = f'"previous": "{before}"'.encode() in content[len(complete_lines) :]
    except ValidationError:
        whole = False
    if not whole:
        text = shown(content[len(complete_lines) :].strip(b"\0").decode("utf-8", "replace"), 160)
        what = (
            "a withdrawal that was not made; withdraw again" if '"withdrawn"' in text else "what it began was not made"
        )
        warnings.warn(
            f"{path}: its last line was cut off and is taken off: {what} ({text!r})", DataWarning, stacklevel=2
        )
    with path.open("r+b") as file:
        if whole:
            file.seek(0, os.SEEK_END)
            file.write(b"\n")
        else:
            file.truncate(len(complete_lines))
        file.flush()
        os.fsync(file.fileno())
