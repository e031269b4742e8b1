"""What a site is made of: accepted submissions and run folders, as entries, events and predictions files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from humanbench.leaderboard.model.entries import BoardEntry, entries_of, seen_by
from humanbench.leaderboard.model.events import Event, events_of
from humanbench.leaderboard.site.writing import Site, build_site
from humanbench.leaderboard.submissions.manifest import recorded
from humanbench.leaderboard.submissions.store import default_store, load_store
from humanbench.results import Result, latest, load_results


@dataclass(frozen=True)
class Gathered:
    """Entries, what happened, and by cell id the run folder that a result came from."""

    entries: Sequence[BoardEntry]
    events: Sequence[Event]
    folders: Mapping[str, Path]


def gather(runs: Sequence[str | os.PathLike[str]], store: Path | None = None) -> Gathered:
    """The accepted submissions and the results of run folders or files.

    Raises `StoreError` for a store that was changed and `ResultError` for a run that is none.
    """
    place = store or default_store()
    accepted = load_store(place)
    submitted = [(one, entry) for one in accepted for entry in one.entries()]
    folders = {r.cell.id: place / one.id for one in accepted for r in one.results}
    results: list[Result] = []
    said: dict[str, tuple[str, ...] | None] = {}
    for run in runs:
        loaded = load_results(run)
        folder = Path(run) if Path(run).is_dir() else Path(run).parent.parent
        results += loaded
        folders |= {r.cell.id: folder for r in loaded}
        record = recorded(folder)
        if record is not None:
            said[record.weights_sha256] = record.pretrained_on

    def seen(result: Result) -> tuple[str, ...] | None:
        weights = result.cell.weights_sha256
        return said[weights] if weights in said else seen_by(result)

    entries = [entry for _, entry in submitted] + entries_of(latest(results).values(), seen)
    withdrawn = [(one.withdrawn_on, entry) for one, entry in submitted if entry.withdrawn]
    return Gathered(entries, events_of(entries, withdrawn), folders)


def build(
    runs: Sequence[str | os.PathLike[str]], out: Path, store: Path | None = None, data_root: Path | None = None
) -> Site:
    """Write the site of these runs and of the accepted submissions into `out`.

    Predictions of synthetic runs are drawn on procedural pictures: those under `data_root`, else those of the embedded
    suite that were written before.
    """
    from humanbench.leaderboard.site.sample_selection import samples_of

    gathered = gather(runs, store)
    samples = samples_of(gathered.entries, gathered.folders, data_root)
    return build_site(out, gathered.entries, gathered.events, samples)
