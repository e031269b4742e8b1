"""What a site is made of: accepted submissions and run folders, as entries, events and predictions files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from humanbench.leaderboard.events import Event, events_of
from humanbench.leaderboard.frames import Entry, entries_of, seen_by
from humanbench.leaderboard.site import Site, build_site
from humanbench.leaderboard.store import default_store, load_store
from humanbench.results import Result, load_results


@dataclass(frozen=True)
class Gathered:
    """Entries, what happened, and by cell id the predictions that are at hand."""

    entries: Sequence[Entry]
    events: Sequence[Event]
    predictions: Mapping[str, Path]


def gather(runs: Sequence[str | os.PathLike[str]], store: Path | None = None) -> Gathered:
    """The accepted submissions and the results of run folders or files.

    Raises `StoreError` for a store that was changed and `ResultError` for a run that is none.
    """
    place = store or default_store()
    accepted = load_store(place)
    submitted = [(one, entry) for one in accepted for entry in one.entries()]
    predictions = {r.cell.id: path for one in accepted for r in one.results if (path := _file(place / one.id, r))}
    results: list[Result] = []
    for run in runs:
        loaded = load_results(run)
        folder = Path(run) if Path(run).is_dir() else Path(run).parent.parent
        results += loaded
        predictions |= {r.cell.id: path for r in loaded if (path := _file(folder, r))}
    entries = [entry for _, entry in submitted] + entries_of(_latest(results), seen_by)
    withdrawn = [(one.withdrawn_on, entry) for one, entry in submitted if entry.withdrawn]
    return Gathered(entries, events_of(entries, withdrawn), predictions)


def _latest(results: Sequence[Result]) -> list[Result]:
    """Of several results of one cell, the one of the run that was named last, unless only an earlier one is done."""
    from humanbench.results import latest

    return list(latest(results).values())


def _file(folder: Path, result: Result) -> Path | None:
    """The predictions of a result, if they lie in their folder of the run."""
    if result.predictions is None:
        return None
    path = (folder / result.predictions).resolve()
    inside = path.is_relative_to((folder / "predictions").resolve())
    return path if inside and path.exists() else None


def build(
    runs: Sequence[str | os.PathLike[str]], out: Path, store: Path | None = None, data_root: Path | None = None
) -> Site:
    """Write the site of these runs and of the accepted submissions into `out`.

    Predictions of synthetic runs are drawn on procedural pictures: those under `data_root`, else those of the embedded
    suite that were written before.
    """
    from humanbench.leaderboard.showing import samples_of

    gathered = gather(runs, store)
    samples = samples_of(gathered.entries, gathered.predictions, data_root)
    return build_site(out, gathered.entries, gathered.events, samples)
