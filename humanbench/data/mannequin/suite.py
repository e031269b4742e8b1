"""Writing the procedural copy of a dataset: pictures by worker processes, annotations by the format's writer."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from PIL import Image

from humanbench._version import __version__
from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.boxes import object_column
from humanbench.data.mannequin.facts import facts_of, keep_facts, write_facts
from humanbench.data.mannequin.labels import shoot
from humanbench.data.mannequin.pool import results
from humanbench.data.mannequin.sampling import DatasetWorld, jpeg, world_of
from humanbench.data.mannequin.sampling_plan import plan
from humanbench.data.mannequin.shots import Shot
from humanbench.data.mannequin.task_scenes import LabelRow, scenes_of
from humanbench.data.samples import MARKER, is_synthetic
from humanbench.data.verify import measured
from humanbench.data.writers import Save, Tables, writer_for
from humanbench.data.writers.people import WITHOUT_PEOPLE
from humanbench.errors import CardError, DataError
from humanbench.files import sweep, unfinished

VERSION = 2
"""The suite's version: goes up where the same seed and scale give other pictures; results are compared within one."""

_CHUNK = 48


class StoredPicture(NamedTuple):
    """A picture as taken: file, (width, height) and the rows it gives in its split's table."""

    path: Path
    size: tuple[int, int]
    rows: list[LabelRow]


def synthesize(
    card: DatasetCard, out: Path, pool: Executor, scale: float = 1.0, seed: int = 0, difficulty: float = 0.0
) -> Path:
    """Write the procedural copy of a dataset to `out`/<id> in its official layout; the folder.

    A procedural copy that is there already is replaced at the end; anything else there is a `DataError`. Raises
    `CardError` as `check_card` does. The same seed, scale and difficulty (0 to 1, `styles.harder`) give the same bytes,
    whatever the pool, the time and the folder.
    """
    check_card(card)
    _check_free(out / card.id)
    out.mkdir(parents=True, exist_ok=True)
    with _scratch(out, card) as folder:
        tables = record(card, pool, folder, scale, seed, difficulty)
        return write_copy(card, tables, out, pool, scale, seed, difficulty)


def check_card(card: DatasetCard) -> None:
    """`CardError` unless procedural people can have the labels of this card, and its format has a writer."""
    scenes_of(card).check(card, world_of(card, seed=0))
    writer_for(card)


def record(
    card: DatasetCard, pool: Executor, folder: Path, scale: float = 1.0, seed: int = 0, difficulty: float = 0.0
) -> Tables:
    """Take the pictures into `folder`; the generator's own record of them, as tables that writers take.

    One table per split with public labels; `image` is the path of the JPEG in `folder`, `size` its (width, height),
    further columns are as the task labels a scene, before any format rounds them.
    """
    world = world_of(card, seed, difficulty)
    shots = plan(card, world, scale)
    jobs = [pool.submit(_shoot_all, card, world, chunk, folder) for chunk in _chunks(shots.values())]
    pictures = {number: picture for part in results(jobs, card.id) for number, picture in part.items()}
    return {split: _table([pictures[shot.number] for shot in listed]) for split, listed in shots.items()}


def write_copy(
    card: DatasetCard, tables: Tables, out: Path, pool: Executor, scale: float, seed: int, difficulty: float = 0.0
) -> Path:
    """Write what `record` returned to `out`/<id>, with a marker file that says how it was made, and the counts.

    Everything is written under a temporary name and renamed at the end.
    """
    target = out / card.id
    _check_free(target)
    with _scratch(out, card) as folder:
        content = folder / card.id
        root = content / card.reader.roots[0]
        root.mkdir(parents=True)
        saved: list[tuple[Path, Path]] = []
        with _saving(pool, saved) as save:
            written = _written(card, root, tables, save)
        write_facts(content, saved)
        counts = {split: measured(card, table) for split, table in written.items()}
        made = {"suite": VERSION, "seed": seed, "scale": scale} | ({"difficulty": difficulty} if difficulty else {})
        marker = {"dataset": card.id} | made | {"humanbench": __version__, "splits": counts}
        (content / MARKER).write_text(json.dumps(marker, indent=1) + "\n", encoding="utf-8")
        if target.exists():
            target.replace(folder / "before")
        content.replace(target)
    return target


def _written(card: DatasetCard, root: Path, tables: Tables, save: Save) -> Tables:
    try:
        return writer_for(card).write(card, root, tables, save)
    except (KeyError, IndexError, StopIteration, ValueError) as error:
        columns = ", ".join(str(name) for name in next(iter(tables.values())).columns[2:])
        raise CardError(
            f"{card.id}: the writer of the format {card.reader.format} does not fit what the card and its task ask for "
            f"({type(error).__name__}: {error}); tables have the columns {columns}"
        ) from error


def _check_free(target: Path) -> None:
    if target.exists() and not (target.is_dir() and (is_synthetic(target) or not any(target.iterdir()))):
        raise DataError(f"{target}: is there already and no procedural copy of a dataset; name another folder")


@contextmanager
def _scratch(out: Path, card: DatasetCard) -> Iterator[Path]:
    """A folder beside the result, so that files can be linked and renamed; removed at the end."""
    sweep(out, f".{card.id}.*")
    with unfinished(out, f".{card.id}.") as folder:
        yield folder


def _chunks(splits: Iterable[Sequence[Shot]]) -> list[list[Shot]]:
    """Every picture once; those of one place together, as drawing the empty place takes longer than a picture."""
    places: dict[int, dict[int, Shot]] = {}
    for listed in splits:
        for shot in listed:
            places.setdefault(shot.where, {}).setdefault(shot.number, shot)
    ordered = [list(shots.values()) for shots in places.values()]
    return [shots[i : i + _CHUNK] for shots in ordered for i in range(0, len(shots), _CHUNK)]


def _table(pictures: list[StoredPicture]) -> Table:
    rows = [{"image": picture.path, "size": picture.size} | row for picture in pictures for row in picture.rows]
    columns: dict[str, Any] = {}
    for name in rows[0] if rows else ():
        cells = [row[name] for row in rows]
        columns[name] = cells if isinstance(cells[0], int | float | str | np.generic) else object_column(cells)
    table = pd.DataFrame(columns)
    table.attrs[WITHOUT_PEOPLE] = [(picture.path, picture.size) for picture in pictures if not picture.rows]
    return table


def _shoot_all(card: DatasetCard, world: DatasetWorld, shots: Iterable[Shot], folder: Path) -> dict[int, StoredPicture]:
    """Work of one process: take the pictures and store them as JPEG, with the facts of their scenes; what they are by
    number."""
    stored = {}
    for shot in shots:
        photograph, rows = shoot(card, world, shot)
        scene, path = photograph.scene, folder / f"{shot.number:08d}.jpg"
        path.write_bytes(jpeg(world, shot.number, photograph))
        keep_facts(path, facts_of(world, shot, scene))
        stored[shot.number] = StoredPicture(path, scene.size, rows)
    return stored


@contextmanager
def _saving(pool: Executor, saved: list[tuple[Path, Path]]) -> Iterator[Save]:
    """What writers call to store a picture: a hard link, after a conversion by the pool unless it is a JPEG.

    Conversions are done when the writer is. `saved` comes to hold every picture as taken with where it is stored.
    """
    linked: list[tuple[Path, Path]] = []
    converted: dict[tuple[Path, str], Path] = {}

    def save(key: Path, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        saved.append((key, path))
        source = key
        if path.suffix.lower() not in (".jpg", ".jpeg"):
            source = converted.setdefault((key, path.suffix), path)
        if source != path:
            linked.append((source, path))

    yield save
    pairs = [(key, path) for (key, _), path in converted.items()]
    parts = [pairs[i : i + _CHUNK] for i in range(0, len(pairs), _CHUNK)]
    results([pool.submit(_convert, part) for part in parts], "pictures")
    for source, path in linked:
        _link(source, path)


def _link(source: Path, path: Path) -> None:
    try:
        os.link(source, path)
    except OSError:  # a file system without hard links
        shutil.copyfile(source, path)


def _convert(pairs: Iterable[tuple[Path, Path]]) -> None:
    for key, path in pairs:
        with Image.open(key) as picture:
            picture.save(path, compress_level=4)  # PNG: twice as fast as the default, 5 % larger
