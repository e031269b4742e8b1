"""What a site is made of: accepted submissions and run folders, as entries, events and predictions files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from humanbench.comparison.groups import stored_subgroups
from humanbench.errors import HumanbenchError
from humanbench.files import temporary
from humanbench.leaderboard.model.entries import BoardEntry, conflicts, entries_of, seen_by
from humanbench.leaderboard.model.events import Event, events_of
from humanbench.leaderboard.site.sample_selection import samples_of
from humanbench.leaderboard.site.writing import Site, build_site, uncollected
from humanbench.leaderboard.submissions.manifest import BackboneRecord, recorded
from humanbench.leaderboard.submissions.store import load_store, store_folder
from humanbench.names import shown
from humanbench.results import Result, latest, load_results


@dataclass(frozen=True)
class Gathered:
    """Entries, those that were withdrawn with the day, by cell id the run folder that a result came from, and what is
    left out and why."""

    entries: Sequence[BoardEntry]
    withdrawn: Sequence[tuple[str, BoardEntry]]
    folders: Mapping[str, Path]
    left_out: tuple[str, ...] = ()

    @property
    def events(self) -> list[Event]:
        """What happened."""
        return events_of(self.entries, self.withdrawn)

    def without(self, entries: Mapping[str, str]) -> Gathered:
        """All but these entries (id and reason)."""
        faultless = [entry for entry in self.entries if entry.id not in entries]
        withdrawn = [(day, entry) for day, entry in self.withdrawn if entry.id not in entries]
        left_out = (*self.left_out, *(f"{name}: {reason}; it is left out" for name, reason in entries.items()))
        return Gathered(faultless, withdrawn, self.folders, left_out)


def gather(runs: Sequence[str | os.PathLike[str]], store: Path | None = None) -> Gathered:
    """The accepted submissions and the results of run folders or files.

    Raises `StoreError` for a store that is not there or was changed and `ResultError` for a run that is none. A
    withdrawn submission that was changed, and one that this version does not take, is left out.
    """
    place = store_folder(store)
    accepted = load_store(place)
    submitted = [(one, entry) for one in accepted for entry in one.entries()]
    folders = {r.cell.id: place / one.id for one in accepted for r in one.results}
    results: list[Result] = []
    records: dict[str, BackboneRecord] = {}
    for run in runs:
        loaded = load_results(run)
        folder = Path(run) if Path(run).is_dir() else Path(run).parent.parent
        results += loaded
        folders |= {r.cell.id: folder for r in loaded}
        if (record := recorded(folder)) is not None:
            records[record.weights_sha256] = record

    def seen(result: Result) -> tuple[str, ...] | None:
        weights = result.cell.weights_sha256
        return records[weights].pretrained_on if weights in records else seen_by(result)

    newest = latest(results).values()
    for conflict in conflicts(newest):
        raise HumanbenchError(f"{conflict}; name one results file")
    of_runs = [_with_record(entry, records) for entry in entries_of(newest, seen)]
    entries = [entry for _, entry in submitted] + of_runs
    withdrawn = [(one.withdrawn_on, entry) for one, entry in submitted if entry.withdrawn]
    left_out = tuple(f"{one.problem}; it is left out" for one in accepted if one.problem)
    return Gathered(entries, withdrawn, folders, left_out)


def _with_record(entry: BoardEntry, records: Mapping[str, BackboneRecord]) -> BoardEntry:
    """The entry with what its run folder says of its backbone."""
    record = records.get(entry.weights_sha256)
    if record is None or (record.name, record.checkpoint) != (entry.backbone, entry.checkpoint):
        return entry
    return replace(entry, record=record.model_dump(mode="json"))


def build(
    runs: Sequence[str | os.PathLike[str]], out: Path, store: Path | None = None, data_root: Path | None = None
) -> Site:
    """Write the site of these runs and of the accepted submissions into `out`.

    Predictions of synthetic runs are drawn on procedural pictures: those under `data_root`, else those of the embedded
    suite that were written before.
    """
    with uncollected():
        gathered = gather(runs, store)
        try:
            return _built(gathered, out, data_root)
        except (HumanbenchError, OSError):
            raise
        except Exception:  # an entry that nothing before has found fault with must not stop the others
            faults = {entry.id: reason for entry in gathered.entries if (reason := _fault(entry))}
            if not faults:
                raise
            return _built(gathered.without(faults), out, data_root)


def _built(gathered: Gathered, out: Path, data_root: Path | None) -> Site:
    samples = samples_of(gathered.entries, gathered.folders, data_root)
    folders = dict.fromkeys(gathered.folders.values())
    results = [result for entry in gathered.entries for result in entry.results]
    stored = [report for folder in folders for report in stored_subgroups(folder, results)]
    groups = {report.predictions_sha256: report for report in stored if not isinstance(report, str)}
    site = build_site(out, gathered.entries, gathered.events, samples, groups)
    damaged = [text for text in stored if isinstance(text, str)]
    return replace(site, left_out=(*gathered.left_out, *damaged))


def _fault(entry: BoardEntry) -> str:
    """Why a site of this entry alone cannot be written; empty if it can."""
    try:
        with temporary("humanbench-site-") as folder:
            build_site(folder / "site", [entry], events_of([entry]))
    except Exception as error:
        return f"its pages cannot be written ({type(error).__name__}: {shown(str(error), 200)})"
    return ""
