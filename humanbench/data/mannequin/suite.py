"""Writing the procedural copy of a dataset: pictures by worker processes, annotations by the format's writer."""

from __future__ import annotations

import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from humanbench import __version__
from humanbench.cards import DatasetCard, load_card
from humanbench.data.boxes import object_column
from humanbench.data.mannequin.plans import Shot, plan
from humanbench.data.mannequin.rows import Row, shoot
from humanbench.data.mannequin.shots import World
from humanbench.data.samples import MARKER, is_synthetic
from humanbench.data.verify import measured
from humanbench.data.writers import writer_for
from humanbench.data.writers.people import WITHOUT_PEOPLE
from humanbench.errors import DataError
from humanbench.progress import track

_CHUNK = 16


@contextmanager
def workers(count: int | None = None) -> Iterator[Executor]:
    """A pool of processes that take pictures; `count` defaults to the number of cores."""
    with ProcessPoolExecutor(count or os.cpu_count() or 1, mp_context=get_context("spawn")) as pool:
        yield pool


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
    if target.exists() and any(target.iterdir()) and not is_synthetic(target):
        raise DataError(f"{target}: holds files that are no procedural copy; name another --out")
    out.mkdir(parents=True, exist_ok=True)
    world = world_of(card, seed)
    with tempfile.TemporaryDirectory(dir=out, prefix=f".{card.id}.") as made:
        pictures, content = Path(made) / "pictures", Path(made) / "content"
        pictures.mkdir()
        root = content / card.reader.roots[0]
        root.mkdir(parents=True)
        tables = _tables(card, world, plan(card, world, scale), pool, pictures)
        written = writer_for(card).write(card, root, tables, _place)
        counts = {split: measured(card, table) for split, table in written.items()}
        marker = {"dataset": card.id, "seed": seed, "scale": scale, "humanbench": __version__, "splits": counts}
        (content / MARKER).write_text(json.dumps(marker, indent=1) + "\n", encoding="utf-8")
        if target.exists():
            shutil.rmtree(target)
        content.replace(target)
    return target


def _tables(
    card: DatasetCard, world: World, shots: dict[str, list[Shot]], pool: Executor, folder: Path
) -> dict[str, pd.DataFrame]:
    """Sample tables as writers take them; `image` is the path of the picture in `folder`."""
    everything = [shot for listed in shots.values() for shot in listed]
    chunks = [everything[i : i + _CHUNK] for i in range(0, len(everything), _CHUNK)]
    jobs = [pool.submit(_shoot_all, card.id, world, chunk, folder) for chunk in chunks]
    taken = [one for job in track(jobs, card.id) for one in job.result()]
    tables: dict[str, pd.DataFrame] = {}
    start = 0
    for split, listed in shots.items():
        tables[split] = _table(taken[start : start + len(listed)])
        start += len(listed)
    return tables


def _table(taken: list[tuple[Path, tuple[int, int], list[Row]]]) -> pd.DataFrame:
    rows = [{"image": path, "size": size} | row for path, size, rows in taken for row in rows]
    columns: dict[str, Any] = {}
    for name in rows[0] if rows else ():
        cells = [row[name] for row in rows]
        columns[name] = cells if isinstance(cells[0], int | float | str) else object_column(cells)
    table = pd.DataFrame(columns)
    if "keypoints" in table:
        table["annotation_id"] = range(1, len(table) + 1)
        table.attrs[WITHOUT_PEOPLE] = [(path, size) for path, size, rows in taken if not rows]
    return table


def _shoot_all(
    dataset: str, world: World, shots: Iterable[Shot], folder: Path
) -> list[tuple[Path, tuple[int, int], list[Row]]]:
    """Work of one process: take the pictures and store them as JPEG; paths, sizes and rows."""
    card = load_card(dataset)
    done = []
    for shot in shots:
        taken, rows = shoot(card, world, shot)
        path = folder / f"{shot.number:08d}.jpg"
        low, high = world.style.developer().quality
        quality = int(world.rng("quality", shot.number).integers(low, high + 1))
        path.write_bytes(_jpeg(taken.pixels, quality))
        done.append((path, (taken.pixels.shape[1], taken.pixels.shape[0]), rows))
    return done


def _jpeg(pixels: Any, quality: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="JPEG", quality=quality)
    return buffer.getvalue()


def _place(key: Path, path: Path) -> None:
    """What writers call to store a picture: a hard link for JPEGs, else a conversion."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() not in (".jpg", ".jpeg"):
        Image.open(key).save(path)
        return
    path.unlink(missing_ok=True)
    os.link(key, path)
