"""Which predictions the task pages show: of procedural pictures alone, as licences forbid to copy real ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from humanbench.cards import DatasetCard, load_card
from humanbench.data.samples import dataset_folder, load_samples, procedural_copy
from humanbench.errors import HumanbenchError
from humanbench.hashing import content_sha256
from humanbench.leaderboard.model.entries import BoardEntry
from humanbench.leaderboard.site.failures import TaskFailures, failures_of
from humanbench.leaderboard.submissions.rescore import same_labels
from humanbench.metrics.directions import direction
from humanbench.results import Result
from humanbench.results.columns import columns_with
from humanbench.tasks.base import TaskDrawing
from humanbench.tasks.drawn import DrawnSample, Guess
from humanbench.tasks.registry import task_for, task_names

ENTRIES = 3
"""Entries whose predictions stand beside the labels."""


@dataclass(frozen=True)
class TaskSamples:
    """The samples of a task: the dataset, the entries whose predictions are drawn, the pictures."""

    card: DatasetCard
    entries: tuple[BoardEntry, ...]
    samples: tuple[DrawnSample, ...]
    failures: tuple[tuple[BoardEntry, BoardEntry | None, TaskFailures], ...] = ()
    """Where each entry fails, with the one that stands beside it."""

    @property
    def drawing(self) -> TaskDrawing:
        """What the task says of its drawings."""
        return task_for(self.card).drawing


def samples_of(
    entries: Sequence[BoardEntry], folders: Mapping[str, Path], data_root: Path | None = None
) -> dict[str, TaskSamples]:
    """By task, samples of the dataset for which most entries can be shown; tasks without any are left out.

    `folders` are run folders by cell id. An entry can be shown where it is synthetic and not withdrawn, its predictions
    are those that were scored, and the procedural copy that it was measured on lies under `data_root` (by default the
    embedded suite's, as far as it was written). What cannot be read is left out as well: a site does not
    fail for want of a picture.
    """
    from humanbench.suites import embedded_root

    root = embedded_root() if data_root is None else data_root
    samples: dict[str, TaskSamples] = {}
    datasets = columns_with({name for entry in entries for name in entry.scores})
    for task in task_names():
        names = [name for name in datasets if load_card(name).task == task]
        by_dataset = [(name, _candidates(entries, name, folders, root)) for name in names]
        for name, candidates in sorted(by_dataset, key=lambda pair: -len(pair[1])):
            if candidates and (shown := _shown(load_card(name), candidates, folders, root)) is not None:
                samples[task] = shown
                break
    return samples


def _candidates(
    entries: Sequence[BoardEntry], dataset: str, folders: Mapping[str, Path], root: Path
) -> list[tuple[BoardEntry, Result]]:
    """Entries with the result to show (that of the first seed), the best entry first: on the procedural copy that lies
    there, so none where there is no data or it is real."""
    copy = procedural_copy(dataset_folder(load_card(dataset), root))
    candidates = []
    for entry in entries:
        score = entry.scores.get(dataset)
        key = entry.board
        if score is None or entry.withdrawn or not key.synthetic or key.subset or key.condition:
            continue
        at_hand = [r for r in score.results if r.copy_of_data == copy and r.cell.id in folders and r.predictions]
        if at_hand:
            candidates.append((entry, at_hand[0], score))
    sign = -1 if candidates and direction(candidates[0][2].metric).higher_is_better else 1
    return [(entry, result) for entry, result, score in sorted(candidates, key=lambda f: sign * f[2].value)]


def _shown(
    card: DatasetCard, candidates: Sequence[tuple[BoardEntry, Result]], folders: Mapping[str, Path], root: Path
) -> TaskSamples | None:
    tables = _tables(card, root)
    if tables is None:
        return None
    read = ((entry, _read(card, tables, result, folders[result.cell.id], root)) for entry, result in candidates)
    known = ((entry, (label(entry), predictions)) for entry, predictions in read if predictions is not None)
    chosen: list[tuple[BoardEntry, Guess]] = list(islice(known, ENTRIES))
    samples = _drawn(card, tables, [guess for _, guess in chosen])
    if not samples:  # predictions that the reader takes but that cannot be drawn: those of others still can
        chosen = [(entry, guess) for entry, guess in chosen if _drawn(card, tables, [guess])]
        samples = _drawn(card, tables, [guess for _, guess in chosen])
    failures = tuple(_failures(card, tables, chosen))
    return TaskSamples(card, tuple(entry for entry, _ in chosen), tuple(samples), failures) if samples else None


def _failures(
    card: DatasetCard, tables: Mapping[str, Any], shown: Sequence[tuple[BoardEntry, Guess]]
) -> Iterator[tuple[BoardEntry, BoardEntry | None, TaskFailures]]:
    """Each entry beside the best of the others."""
    for entry, guess in shown:
        other = next(((one, its) for one, its in shown if one is not entry), None)
        try:
            failures = failures_of(card, tables, guess, other[1] if other else None)
        except Exception:  # whatever a file holds, the site is written; see `samples_of`
            continue
        if failures is not None:
            yield entry, other[0] if other else None, failures


def _drawn(card: DatasetCard, tables: Mapping[str, Any], guesses: Sequence[Guess]) -> list[DrawnSample]:
    try:
        drawing = task_for(card).drawing
        return list(drawing.predictions(card, tables, guesses, drawing.samples)) if guesses else []
    except Exception:  # whatever a file holds, the site is written; see `samples_of`
        return []


def label(entry: BoardEntry) -> str:
    """The entry in a few words: a backbone in several regimes, or variants of one, is told apart."""
    return ", ".join(filter(None, (entry.name, entry.board.regime, entry.board.variant)))


def _tables(card: DatasetCard, root: Path) -> dict[str, Any] | None:
    assert card.evaluation is not None
    try:
        return {split: load_samples(card, split, root) for split in card.evaluation.test}
    except HumanbenchError:
        return None


def file_of(folder: Path, result: Result) -> Path | None:
    """The predictions of a result, if they lie in their folder of the run."""
    path = (folder / str(result.predictions)).resolve()
    inside = path.is_relative_to((folder / "predictions").resolve())
    return path if inside and path.exists() else None


def _read(card: DatasetCard, tables: Mapping[str, Any], result: Result, folder: Path, root: Path) -> Any:
    """The predictions, if they are the scored ones and were made for these labels."""
    known, path = result.provenance, file_of(folder, result)
    if known is None or path is None:
        return None
    try:
        if content_sha256(path) != known.predictions_sha256 or not same_labels(result, root):
            return None
        return task_for(card).predictions.read(card, tables, path)
    except Exception:  # a file made to break its reader; see `samples_of`
        return None
