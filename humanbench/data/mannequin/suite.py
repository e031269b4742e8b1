"""Writing the procedural copy of a dataset: pictures by worker processes, annotations by the format's writer."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from humanbench import __version__
from humanbench.cards import DatasetCard, load_card
from humanbench.data.boxes import object_column
from humanbench.data.mannequin.plans import Shot, plan
from humanbench.data.mannequin.rows import Row, shoot
from humanbench.data.mannequin.shots import World
from humanbench.data.samples import MARKER, is_synthetic
from humanbench.data.verify import measured
from humanbench.data.writers import Save, writer_for
from humanbench.data.writers.people import WITHOUT_PEOPLE
from humanbench.errors import DataError
from humanbench.progress import track

_CHUNK = 48
T = TypeVar("T")


class Record(NamedTuple):
    """A picture as taken: file, (width, height) and the rows it gives in its split's table."""

    path: Path
    size: tuple[int, int]
    rows: list[Row]


@contextmanager
def workers(count: int | None = None) -> Iterator[Executor]:
    """A pool of processes that take pictures; `count` defaults to the number of cores."""
    with ProcessPoolExecutor(count or os.cpu_count() or 1, get_context("spawn"), _leave_interrupts) as pool:
        yield pool


def _leave_interrupts() -> None:
    """Ctrl-C is the main process' business: it stops the others when they have finished what they do."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def world_of(card: DatasetCard, seed: int) -> World:
    """The world of a dataset; datasets made of the same pictures share one."""
    own = World(card.id, card.task, seed)
    return World(card.id, card.task, seed, name=own.style.world or card.id)


def synthesize(card: DatasetCard, out: Path, pool: Executor, scale: float = 1.0, seed: int = 0) -> Path:
    """Write the procedural copy of a dataset to `out`/<id> in its official layout; the folder.

    Everything is written under a temporary name and renamed at the end. A procedural copy that is there already is
    replaced; a folder with anything else in it is a `DataError`. The marker file says seed, scale and the counts.
    """
    target = out / card.id
    if target.exists() and (not target.is_dir() or (any(target.iterdir()) and not is_synthetic(target))):
        raise DataError(f"{target}: is there and no procedural copy of a dataset; name another --out")
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=f".{card.id}.") as made:
        pictures, content = Path(made) / "pictures", Path(made) / "content"
        pictures.mkdir()
        root = content / card.reader.roots[0]
        root.mkdir(parents=True)
        tables = record(card, pool, pictures, scale, seed)
        with _saving(pool) as save:
            written = writer_for(card).write(card, root, tables, save)
        counts = {split: measured(card, table) for split, table in written.items()}
        marker = {"dataset": card.id, "seed": seed, "scale": scale, "humanbench": __version__, "splits": counts}
        (content / MARKER).write_text(json.dumps(marker, indent=1) + "\n", encoding="utf-8")
        if target.exists():
            shutil.rmtree(target)
        content.replace(target)
    return target


def record(
    card: DatasetCard, pool: Executor, folder: Path, scale: float = 1.0, seed: int = 0
) -> dict[str, pd.DataFrame]:
    """Take the pictures into `folder`; the generator's own record of them, as tables that writers take.

    One table per split with public labels; `image` is the path of the JPEG in `folder`, `size` its (width, height),
    further columns as `humanbench.data.mannequin.rows` makes them, before any format rounds them.
    """
    world = world_of(card, seed)
    shots = plan(card, world, scale)
    jobs = [pool.submit(_shoot_all, card.id, world, chunk, folder) for chunk in _chunks(shots.values())]
    taken = {number: one for part in _results(jobs, card.id) for number, one in part.items()}
    return {split: _table([taken[shot.number] for shot in listed]) for split, listed in shots.items()}


def _chunks(splits: Iterable[Sequence[Shot]]) -> list[list[Shot]]:
    """Every picture once; those of one place together, as drawing the empty place takes longer than a picture."""
    places: dict[int, dict[int, Shot]] = {}
    for listed in splits:
        for shot in listed:
            places.setdefault(shot.where, {}).setdefault(shot.number, shot)
    ordered = [list(shots.values()) for shots in places.values()]
    return [shots[i : i + _CHUNK] for shots in ordered for i in range(0, len(shots), _CHUNK)]


def _results(jobs: list[Future[T]], text: str) -> list[T]:
    """What the jobs return; when one fails or the user stops, none of them goes on."""
    try:
        return [job.result() for job in track(jobs, text)]
    finally:
        for job in jobs:
            job.cancel()
        wait(jobs)


def _table(taken: list[Record]) -> pd.DataFrame:
    rows = [{"image": one.path, "size": one.size} | row for one in taken for row in one.rows]
    columns: dict[str, Any] = {}
    for name in rows[0] if rows else ():
        cells = [row[name] for row in rows]
        columns[name] = cells if isinstance(cells[0], int | float | str) else object_column(cells)
    table = pd.DataFrame(columns)
    if "keypoints" in table:
        table["annotation_id"] = range(1, len(table) + 1)
        table.attrs[WITHOUT_PEOPLE] = [(one.path, one.size) for one in taken if not one.rows]
    return table


def _shoot_all(dataset: str, world: World, shots: Iterable[Shot], folder: Path) -> dict[int, Record]:
    """Work of one process: take the pictures and store them as JPEG; what they are by number."""
    card = load_card(dataset)
    done = {}
    for shot in shots:
        taken, rows = shoot(card, world, shot)
        path = folder / f"{shot.number:08d}.jpg"
        path.write_bytes(jpeg(world, shot.number, taken.pixels))
        done[shot.number] = Record(path, (taken.pixels.shape[1], taken.pixels.shape[0]), rows)
    return done


def jpeg(world: World, number: int, pixels: NDArray[np.uint8]) -> bytes:
    """Picture `number` (H x W x 3) as the file that is written, in a quality of this world's film."""
    low, high = world.style.developer().quality
    quality = int(world.rng("quality", number).integers(low, high + 1))
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="JPEG", quality=quality)
    return buffer.getvalue()


@contextmanager
def _saving(pool: Executor) -> Iterator[Save]:
    """What writers call to store a picture: a hard link, after a conversion by the pool unless it is a JPEG.

    Conversions are done when the writer is.
    """
    linked: list[tuple[Path, Path]] = []
    converted: dict[tuple[Path, str], Path] = {}

    def save(key: Path, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        source = key
        if path.suffix.lower() not in (".jpg", ".jpeg"):
            source = converted.setdefault((key, path.suffix), path)
        if source != path:
            linked.append((source, path))

    yield save
    pairs = [(key, path) for (key, _), path in converted.items()]
    parts = [pairs[i : i + _CHUNK] for i in range(0, len(pairs), _CHUNK)]
    _results([pool.submit(_convert, part) for part in parts], "pictures")
    for source, path in linked:
        _link(source, path)


def _link(source: Path, path: Path) -> None:
    try:
        os.link(source, path)
    except OSError:  # a file system without hard links
        shutil.copyfile(source, path)


def _convert(pairs: Iterable[tuple[Path, Path]]) -> None:
    for key, path in pairs:
        Image.open(key).save(path)
