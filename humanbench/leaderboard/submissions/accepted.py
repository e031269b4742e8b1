"""An accepted submission as it lies in the store, held against what was accepted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from humanbench.data.identity import FileHashes
from humanbench.errors import DataError
from humanbench.hashing import file_sha256
from humanbench.leaderboard.model.entries import BoardEntry, Evidence, entries_of
from humanbench.leaderboard.submissions.archive import SubmissionError
from humanbench.leaderboard.submissions.claims import contents
from humanbench.leaderboard.submissions.log import LogEvent
from humanbench.leaderboard.submissions.manifest import (
    BackboneRecord,
    Manifest,
    read_document,
    read_manifest,
    read_result_strictly,
    regular,
    validated,
)
from humanbench.leftovers import is_leftover
from humanbench.results import Result


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
        about = {"submission": self.id, "submitter": self.manifest.submitter, "date": self.date}
        found = entries_of(self.results, lambda _: seen, self.evidence, **about)
        record = self.backbone.model_dump(mode="json")
        return [replace(entry, withdrawn=self.withdrawn, record=record) for entry in found]


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
        found = hashes(folder / name for name in manifest.files)
    except DataError as error:
        return f"what was accepted is damaged or gone ({error})"
    wrong = [name for name, entry in manifest.files.items() if found[str(folder / name)] != entry.sha256]
    return f"{wrong[0]} was changed after it was accepted" if wrong else ""
