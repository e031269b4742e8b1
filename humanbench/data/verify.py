"""`verify`: whether the dataset on disk is what its card says."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.fingerprint import fingerprint
from humanbench.data.frames import has_places, map_fits, misfit, misstated, placement, some_sizes
from humanbench.data.images import absent, check_depth, image_size
from humanbench.data.labels import load_label
from humanbench.data.readers import find_root, first_file
from humanbench.data.readers.files import load_json
from humanbench.data.report import Report, Row, Status
from humanbench.data.samples import MARKER, dataset_folder, is_synthetic, load_samples, used_splits
from humanbench.errors import AbsentError, DataError, DataWarning
from humanbench.hashing import file_sha256
from humanbench.progress import track
from humanbench.tasks.registry import task_for

PLACES = (".", "annotations", "annot")
"""Folders below the root in which a known file is looked for."""


def verify(card: DatasetCard, data_root: str | os.PathLike[str] | None = None, every: int = 100) -> Report:
    """Check structure, counts, label ranges, every `every`-th picture and the content's fingerprint.

    A procedural copy is held against the counts in its own marker file instead of the card's, and is never taken for a
    release. Splits that neither the evaluation nor pretraining uses may be absent (`warn`), but what is there must be
    readable; of what is absent, the row says which uses are lost. Raises `DataError` when
    there is no folder of the dataset at all, or when the marker file is not readable.
    """
    folder = dataset_folder(card, data_root)
    root = find_root(card, folder)
    synthetic = is_synthetic(folder)
    counts = _marker(card, folder) if synthetic else {n: s.counts() for n, s in card.splits.items()}
    rows: list[Row] = []
    tables: dict[str, Table] = {}
    for split in counts:
        if card.splits[split].labels == "withheld":
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DataWarning)  # they are rows of the report
                tables[split] = load_samples(card, split, data_root)
        except DataError as error:
            rows.append(_unread_row(card, split, error))
            continue
        rows += _split_rows(card, split, tables[split], counts[split], every, unsure=not synthetic)
    used = {s: tables[s] for s in counts if s in tables and s in used_splits(card)}
    wanted = [s for s in counts if s in used_splits(card) and card.splits[s].labels != "withheld"]
    digest = ""
    if used and list(used) == wanted:
        try:
            digest = fingerprint(card, used)
        except DataError as error:
            rows.append(Row("fingerprint", "", "readable", str(error), "fail"))
    release = "mannequin" if synthetic else ""
    if not synthetic:
        rows += _boxed_rows(card, tables)
        release, more = _release(card, root, digest, tables)
        rows += more
    return Report(card.id, str(folder), release, digest, tuple(rows))


def _unread_row(card: DatasetCard, split: str, error: DataError) -> Row:
    """A split that could not be read: a failure, unless it is absent and nothing uses it."""
    uses = {
        "training": card.evaluation.train if card.evaluation else (),
        "testing": card.evaluation.test if card.evaluation else (),
        "pretraining": card.pretraining.splits if card.pretraining else (),
    }
    lost = [use for use, splits in uses.items() if split in splits]
    absent = isinstance(error, AbsentError)
    text = f"{error} (without it there is no {', no '.join(lost)})" if lost else str(error)
    return Row("structure", split, "readable", text, "warn" if absent and not lost else "fail")


def _marker(card: DatasetCard, folder: Path) -> dict[str, dict[str, int]]:
    """Counts by split from the marker file of a procedural copy."""
    path = folder / MARKER
    content = load_json(card, path)
    splits = content.get("splits") if isinstance(content, dict) else None
    valid = isinstance(splits, dict) and all(
        split in card.splits and isinstance(stated, dict) and all(isinstance(n, int) for n in stated.values())
        for split, stated in splits.items()
    )
    if not valid or not splits:
        raise DataError(f'{card.id}: {path}: expected "splits" with counts per split of the card, found {splits!r}')
    return dict(splits)


def _split_rows(
    card: DatasetCard, split: str, table: Table, counts: Mapping[str, int], every: int, unsure: bool
) -> Iterator[Row]:
    yield Row("structure", split, "readable", "readable", "ok")
    table_counts = measured(card, table)
    doubtful = card.splits[split].unsure if unsure else ()
    if table.attrs.get("conversion"):
        doubtful = tuple(counts)  # the card counts the official files
    for name, expected in counts.items():
        if name in table_counts:
            status: Status = "ok" if table_counts[name] == expected else "warn" if name in doubtful else "fail"
            yield Row(name, split, expected, table_counts[name], status)
    trouble = task_for(card).labels.problem(card, table)
    yield Row("labels", split, "in range", trouble or "in range", "fail" if trouble else "ok")
    for text in () if trouble else task_for(card).labels.peculiarities(card, table):
        yield Row("labels", split, "used", text, "warn")
    for text in table.attrs["remarks"]:
        yield Row("remark", split, "none", text, "warn")
    yield from _picture_rows(card, split, table, every)


def measured(card: DatasetCard, table: Table) -> dict[str, int]:
    """The counts of a split (names of `Split`) that its sample table shows.

    `boxes` counts people and ignored ones together, `persons` the people alone.
    """
    counts = {"samples": len(table), "images": len(table.attrs.get("image_ids", ())) or table["image"].nunique()}
    if "pid" in table:
        counts["identities"] = table["pid"][table["pid"] >= 0].nunique()
    if "camid" in table:
        counts["cameras"] = table["camid"][table["camid"] >= 0].nunique()
    return counts | task_for(card).labels.counts(card, table)


def _picture_rows(card: DatasetCard, split: str, table: Table, every: int) -> Iterator[Row]:
    images = list(dict.fromkeys(table["image"]))
    missing = absent(images)
    text = f"{len(missing)} missing, the first is {missing[0]}" if missing else "all there"
    yield Row("files", split, "all there", text, "fail" if missing else "ok")
    gone = set(missing)
    chosen = [path for path in images[::every] if path not in gone]
    sizes: dict[str, tuple[int, int]] = {}
    broken: dict[str, str] = {}
    for path in track(chosen, f"{card.id} {split}: pictures"):
        try:
            sizes[path] = decoded_size(Path(path))
        except DataError as error:
            broken[path] = str(error)
    known = set(card.reader.options.get("damaged", ()))
    status: Status = "ok" if not broken else "warn" if {Path(p).name for p in broken} <= known else "fail"
    first = next(iter(broken.values()), "")
    text = f"{len(broken)} of {len(chosen)} do not: {first}" if broken else f"{len(chosen)} decode"
    yield Row("pictures", split, "all decode" if every == 1 else f"every {every}th decodes", text, status)
    sampled = table[table["image"].isin(sizes.keys())]
    if "size" in table:
        yield _size_row(split, sampled, sizes)
    task = task_for(card)
    if task.label_maps:
        yield _map_row(card, split, sampled, sizes)
    elif has_places(card, table):
        yield _frame_row(card, split, table, sizes)


def decoded_size(path: Path) -> tuple[int, int]:
    """Width and height of a picture after decoding all of it; a `DataError` for a truncated or foreign file."""
    from PIL import Image

    size = image_size(path)
    try:
        with Image.open(path) as image:
            check_depth(image, path)
            image.load()
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{path}: not a whole image ({error})") from error
    return size


def _size_row(split: str, table: Table, sizes: Mapping[str, tuple[int, int]]) -> Row:
    wrong = misstated(table, sizes)
    if not wrong:
        return Row("sizes", split, "as annotated", "as annotated", "ok")
    return Row("sizes", split, "as annotated", f"{len(wrong)} of {len(sizes)} are not: {wrong[0]}", "fail")


def _map_row(card: DatasetCard, split: str, table: Table, sizes: Mapping[str, tuple[int, int]]) -> Row:
    """Maps of the pictures' sizes; of their shapes alone warns, for then somebody resized one of the two."""
    expected = "maps fit the pictures"
    wrong: list[str] = []
    scaled: list[str] = []
    for name, path, label in zip(table["id"], table["image"], table["label"], strict=True):
        try:
            height, width = load_label(card, label).shape
        except DataError as error:
            return Row("maps", split, expected, str(error), "fail")
        if (width, height) != sizes[path]:
            (scaled if map_fits(sizes[path], (width, height)) else wrong).append(
                misfit(str(name), sizes[path], (width, height))
            )
    if wrong:
        return Row("maps", split, expected, f"{len(wrong)} of {len(table)} do not: {wrong[0]}", "fail")
    if scaled:
        return Row("maps", split, expected, f"{len(scaled)} of {len(table)} fit at another scale: {scaled[0]}", "warn")
    return Row("maps", split, expected, f"{len(table)} fit", "ok")


def _frame_row(card: DatasetCard, split: str, table: Table, sizes: Mapping[str, tuple[int, int]]) -> Row:
    """Labels in their pictures, but for the few of a real dataset; however few pictures are decoded."""
    label_placement = placement(card, table, some_sizes(table, sizes))
    status: Status = "fail" if label_placement.trouble else "warn" if label_placement.far else "ok"
    return Row("frame", split, "labels in the pictures", label_placement.trouble or label_placement.text, status)


def _boxed_rows(card: DatasetCard, tables: Mapping[str, Table]) -> list[Row]:
    """The paper counts those images of a detection dataset that hold a box, be it one to ignore."""
    if "boxes" not in task_for(card).columns or not card.pretraining or not set(card.pretraining.splits) <= set(tables):
        return []
    boxed_images = sum(len(boxes) > 0 for split in card.pretraining.splits for boxes in tables[split]["boxes"])
    expected = card.pretraining.images
    split = "+".join(card.pretraining.splits)
    return [Row("images with a box", split, expected, boxed_images, "ok" if boxed_images == expected else "warn")]


def _release(card: DatasetCard, root: Path, digest: str, tables: Mapping[str, Table]) -> tuple[str, list[Row]]:
    """The release this is, and the rows that say how that was found."""
    version = next((str(t.attrs["version"]) for t in tables.values() if "version" in t.attrs), "")
    rows = [Row("version", "", "told by the folders", version, "ok")] if version else []
    recorded = {k.fingerprint: k.release for k in card.known if k.of == "labels"}
    if digest and recorded:
        hit = recorded.get(digest)
        rows.append(Row("fingerprint", "", " or ".join(recorded.values()), hit or digest, "ok" if hit else "warn"))
        version = hit or version
    elif digest:
        rows.append(Row("fingerprint", "", "none recorded", digest, "ok"))
    return version, rows + list(_file_rows(card, root))


def _file_rows(card: DatasetCard, root: Path) -> Iterator[Row]:
    by_file: dict[str, dict[str, str]] = {}
    for known in card.known:
        if known.of == "file":
            by_file.setdefault(known.file, {})[known.fingerprint] = known.release
    for name, releases in by_file.items():
        path = first_file(root, (f"{folder}/{name}" for folder in PLACES))
        if path is not None:
            digest = file_sha256(path)
            expected: Any = " or ".join(releases.values())
            release = releases.get(digest, f"another file (sha256 {digest})")
            yield Row(f"file {name}", "", expected, release, "ok" if digest in releases else "warn")
