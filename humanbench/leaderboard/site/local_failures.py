"""`humanbench failures`: where a run fails, drawn on the data of this machine into a folder of this machine."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from humanbench.comparison.draws import Ground, ground_truth, scored_predictions
from humanbench.comparison.matching import Run, read_run
from humanbench.data.corruptions import CorruptedAsOpened, corruption_of
from humanbench.data.images import opened_through
from humanbench.errors import HumanbenchError
from humanbench.leaderboard.site.failures import WORST, TaskFailures, failures_of
from humanbench.leaderboard.site.writing import replaceable, replacing_folder, templates
from humanbench.names import shown
from humanbench.progress import track
from humanbench.results.cells import CellKey, CellRuns, lists_by
from humanbench.results.stored import labels_of
from humanbench.tasks.registry import task_for

MARK = ".humanbench-failures"
"""A file in every folder of failures, which tells that it may be replaced by the next one."""


@dataclass(frozen=True)
class LocalFailures:
    """What was written: the page, the cells on it, and what is not on it and why."""

    page: Path
    cells: int
    notes: tuple[str, ...]


def write_failures(
    run: str | os.PathLike[str],
    out: Path,
    second: str | os.PathLike[str] | None = None,
    datasets: Sequence[str] = (),
    data_root: str | os.PathLike[str] | None = None,
    subset: str | os.PathLike[str] | None = None,
    count: int = WORST,
) -> LocalFailures:
    """Draw the `count` worst test units of each cell of a run (of its first seed) into the folder `out`.

    Beside them stand the labels, and what the run `second` predicts where it has the same cell on the same labels.
    Raises `HumanbenchError` where `out` holds something else, a dataset is none of the run's, or nothing can be drawn.
    """
    out = replaceable(out, MARK, "of this command")
    first, other = read_run(run), read_run(second) if second is not None else None
    ground, noted = Ground(data_root, subset), list[tuple[str, str]]()
    drawn_cells = list(_drawn_cells(first.of(datasets).values(), other, ground, count, noted))
    notes = folded_notes(noted)
    if not drawn_cells:
        raise HumanbenchError(f"nothing of {first.name} can be drawn: {'; '.join(notes) or 'it has no results'}")
    if other is not None and not any(worst.second for _, worst in drawn_cells):
        raise HumanbenchError(
            f"nothing of {other.name} can stand beside {first.name}: {'; '.join(notes)}; take another --second, or none"
        )
    _write(out, first, other, drawn_cells, notes)
    return LocalFailures(out / "index.html", len(drawn_cells), tuple(notes))


def folded_notes(notes: Sequence[tuple[str, str]]) -> list[str]:
    """Cells and what is said of them, each thing once with all cells that it is said of."""
    names_by_note = lists_by((note, name) for name, note in notes)
    return [f"{'; '.join(names)}: {note}" for note, names in names_by_note.items()]


def _drawn_cells(
    cells: Collection[CellRuns], other: Run | None, ground: Ground, count: int, notes: list[tuple[str, str]]
) -> Iterator[tuple[CellRuns, TaskFailures]]:
    """Each cell of which something is wrong with its worst units; of the others `notes` takes why not."""
    for cell in track(cells, "looking for the worst"):
        name = f"{cell.key.dataset}, {_kind(cell.key)}"
        try:
            if cell.problem:
                raise HumanbenchError(f"the run {cell.problem}")
            guess, card, tables = _guess(cell, ground, "the run")
            beside_it = None
            if other is not None:
                try:
                    beside_it = _other(cell, other, ground)
                except HumanbenchError as error:
                    notes.append((name, f"nothing stands beside it: {error}"))
            corruption = cell.first.result.corruption
            change = None if corruption is None else CorruptedAsOpened(corruption_of(corruption), card.id, tables)
            with nullcontext() if change is None else opened_through(change):
                worst = failures_of(card, tables, guess, beside_it, count)
        except HumanbenchError as error:
            notes.append((name, str(error)))
            continue
        if worst is None:
            notes.append((name, "nothing is wrong there, or the task draws no predictions"))
        else:
            yield cell, worst


def _guess(cell: CellRuns, ground: Ground, name: str) -> tuple[tuple[str, Any], Any, Any]:
    path = scored_predictions(cell.first, name)
    card, tables = ground_truth(cell, ground)
    label = f"{shown(cell.first.result.backbone, 60)}, {shown(_kind(cell.key), 60)}"
    return (label, task_for(card).predictions.read(card, tables, path)), card, tables


def _kind(key: CellKey) -> str:
    """The regime, with what else tells its cells from others of a run on the dataset."""
    return ", ".join(filter(None, (key.regime, key.variant, key.condition)))


def _other(cell: CellRuns, other: Run, ground: Ground) -> tuple[str, Any]:
    """The second run's predictions for the cell: of the same regime where it has that, else of another that was tested
    on the same pictures."""
    on_it = [one for one in other.cells.values() if one.key.dataset == cell.key.dataset and not one.problem]
    alike = [one for one in on_it if one.first.result.corruption == cell.first.result.corruption]
    its = next((one for one in alike if one.key == cell.key), alike[0] if alike else None)
    if its is None:
        condition = f" with {cell.key.condition}" if cell.key.condition else ""
        raise HumanbenchError(f"{other.name} has no result on it{condition}")
    if labels_of(its.first.result) != labels_of(cell.first.result):
        raise HumanbenchError(f"{other.name} was tested on other labels of it")
    guess, _, _ = _guess(its, ground, other.name)
    return guess


def _write(
    out: Path, first: Run, other: Run | None, drawn_cells: Sequence[tuple[CellRuns, TaskFailures]], notes: Sequence[str]
) -> None:
    tasks = []
    with replacing_folder(out) as folder:
        (folder / "pictures").mkdir()
        (folder / MARK).touch()
        for number, (cell, worst) in enumerate(drawn_cells, 1):
            where = f"pictures/{number}-{cell.key.dataset}"
            for path, picture in worst.files(where):
                (folder / path).write_bytes(picture.data)
            tasks.append({**worst.listed(where), "key": f"cell-{number}", "regime": shown(_kind(cell.key), 60)})
        text = (
            templates()
            .get_template("failures_local.html.j2")
            .render(
                name=", ".join(map(shown, first.backbones)),
                second=", ".join(map(shown, other.backbones)) if other is not None else "",
                synthetic=all(cell.first.result.synthetic for cell, _ in drawn_cells),
                notes=[shown(note, 300) for note in notes],
                tasks=tasks,
            )
        )
        (folder / "index.html").write_text(text, encoding="utf-8", newline="\n")
