"""`load_samples`: the one way from a dataset on disk to its sample table."""

from __future__ import annotations

import csv
import json
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from humanbench.cards import DatasetCard, load_card
from humanbench.data.images import absent
from humanbench.data.readers import find_root, reader_for, understood
from humanbench.data.readers.people import SharedIds
from humanbench.data_root import find_data
from humanbench.documents import from_toml
from humanbench.errors import DataError, DataWarning, WithheldError
from humanbench.tasks.registry import task_for
from humanbench.text import foreign_header

if TYPE_CHECKING:
    import pandas as pd

MARKER = "MANNEQUIN.json"
"""A file of this name in a dataset's folder says that the content is procedural; every result from it is synthetic."""

_USUAL = {"seed": 0, "scale": 1, "difficulty": 0}
"""How the embedded suite is drawn."""


def dataset_folder(card: DatasetCard, data_root: str | os.PathLike[str] | None = None) -> Path:
    """Where this dataset is expected: `<data root>/<id>`, or the place of its own that `find_data` knows."""
    return find_data(data_root).folder(card.id)


def is_synthetic(folder: Path) -> bool:
    """Whether the dataset in this folder is a procedural copy."""
    return (folder / MARKER).is_file()


def procedural_copy(folder: Path) -> str:
    """Which procedural copy the folder holds, in words; empty for a dataset's own pictures.

    `mini-1` is drawn as the embedded suite is: its version, with seed 0, scale 1 and difficulty 0. Other values are
    said behind it (`mini-1, seed 3, difficulty 0.5`).
    """
    if not is_synthetic(folder):
        return ""
    try:
        marker = json.loads((folder / MARKER).read_text(encoding="utf-8"))
        drawn = {name: float(marker.get(name, usual)) for name, usual in _USUAL.items()}
        version = int(marker.get("suite", 1))
    except (OSError, ValueError, TypeError, AttributeError):
        return "unknown copy"  # `datasets verify` says what is wrong with the marker
    return copy_name(version, **drawn)


def copy_name(version: int, seed: float = 0, scale: float = 1, difficulty: float = 0) -> str:
    """What a procedural copy is called that is drawn like this."""
    drawn = {"seed": float(seed), "scale": float(scale), "difficulty": float(difficulty)}
    unusual = [f"{name} {str(value).removesuffix('.0')}" for name, value in drawn.items() if value != _USUAL[name]]
    return ", ".join([f"mini-{version}", *unusual])


def used_splits(card: DatasetCard) -> set[str]:
    """The splits that evaluation or pretraining uses."""
    evaluation, pretraining = card.evaluation, card.pretraining
    return {*(evaluation.train + evaluation.test if evaluation else ()), *(pretraining.splits if pretraining else ())}


def load_samples(
    dataset: str | DatasetCard,
    split: str,
    data_root: str | os.PathLike[str] | None = None,
    subset: str | os.PathLike[str] | None = None,
) -> pd.DataFrame:
    """The sample table of one split; no image is opened.

    Columns: `id` (stable across machines), `image` (absolute path), and by task

    - reid: `pid`, `camid` (int64; camid -1 where the dataset has no cameras);
    - pose (a row per person): `image_id`, `annotation_id`, `bbox` [x, y, w, h], `keypoints` K x 3 float (x, y, v with
      v = 0 not labelled, 1 labelled but hidden, 2 visible), `area`, `iscrowd`; MPII adds `headbox`, `center`, `scale`;
    - parsing: `label` (path; `humanbench.data.labels.load_label` turns it into class indices);
    - attribute: one int8 column per attribute of the card: 1 present, 0 absent, -1 unknown;
    - detection: `boxes` M x 4 float [x, y, w, h], `ignore` M bool, `visible` M x 4 (visible box) or M (visible ratio),
      None where the dataset has neither;
    - counting: `points` N x 2 float (x, y), `count` float.

    `attrs` of the table says `dataset`, `split`, `synthetic` (bool) and `subset` (name or None); pose tables also list
    `image_ids`, all images of the split whether or not they hold people, and with a subset `left_out`, the people in
    its images whom it does not name (scoring neither asks for them nor counts who is found there). `remarks` are
    sentences on what the files hold that a user should know, each also a `DataWarning`: pictures that are not there,
    labels that are taken as ignored.

    Args:
        dataset: The id of a dataset, or its card.
        split: The name of a split, as the card has it.
        data_root: Folder with one folder per dataset id; None is $HUMANBENCH_DATA, else ~/humanbench-data, and what
            the user's configuration says of single datasets.
        subset: A CSV (columns `split`, `id`) or a TOML file (an array of ids per split) naming the samples to keep.

    Raises `CardError` for an unknown dataset or split, `WithheldError` where the labels of the split are not public,
    `DataError` where the files are not what the card says.
    """
    card = load_card(dataset) if isinstance(dataset, str) else dataset
    described = card.split(split)
    if described.labels == "withheld":
        raise WithheldError(f"{card.id}: the labels of split {split!r} are not public. {described.note}".strip())
    folder = dataset_folder(card, data_root)
    root = find_root(card, folder)
    with understood(card, f"split {split!r} under {root}"):
        table = reader_for(card).read(card, split, root)
    _check_columns(card, table)
    attrs = dict(table.attrs)
    if subset is not None:
        wanted = read_subset(Path(subset), split)
        whole, table = table, _select(card, table, wanted, Path(subset))
        if "image_ids" in attrs:
            chosen = set(table["image_id"])
            attrs["image_ids"] = SharedIds(i for i in attrs["image_ids"] if i in chosen or str(i) in wanted)
            attrs["left_out"] = _left_out(whole, table)
    table = table.reset_index(drop=True)
    remarks = [*attrs.pop("remarks", ()), *_absent(card, split, table, attrs.pop("seen", False))]
    for remark in remarks:
        warnings.warn(remark, DataWarning, stacklevel=2)
    table.attrs = attrs | {
        "remarks": remarks,
        "dataset": card.id,
        "split": split,
        "synthetic": is_synthetic(folder),
        "subset": Path(subset).stem if subset is not None else None,
    }
    return table


def _left_out(whole: pd.DataFrame, table: pd.DataFrame) -> list[dict[str, Any]]:
    """The people of the whole table in the images of this part of it, but not in the part, with plain values."""
    import numpy as np

    others = whole[whole["image_id"].isin(set(table["image_id"])) & ~whole["id"].isin(set(table["id"]))]
    columns = ["image_id", "annotation_id", "bbox", "area", "keypoints"]
    return [
        {str(name): np.asarray(value).tolist() for name, value in row.items()}
        for row in others[columns].to_dict("records")
    ]


def _absent(card: DatasetCard, split: str, table: pd.DataFrame, seen: bool) -> list[str]:
    """What is to be said where pictures of a table are not on disk; readers that have `seen` all of them say so."""
    pictures = [] if seen else table["image"].unique().tolist()
    missing = absent(pictures)
    if not missing:
        return []
    return [
        f"{card.id} {split}: {len(missing):,} of {len(pictures):,} pictures are not there, the first is {missing[0]} "
        f"(`humanbench datasets show {card.id}` prints the expected layout)"
    ]


def read_subset(path: Path, split: str) -> set[str]:
    """The ids a subset file names for this split."""
    if not path.is_file():
        raise DataError(f"{path}: there is no such subset file")
    try:
        ids = _toml_ids(path, split) if path.suffix == ".toml" else _csv_ids(path, split)
    except (ValueError, csv.Error) as error:
        raise DataError(f"{path}: not a readable CSV or TOML subset file ({error})") from error
    if not ids:
        raise DataError(f"{path}: names no sample of split {split!r}")
    return set(ids)


def _toml_ids(path: Path, split: str) -> list[str]:
    ids = from_toml(path.read_text(encoding="utf-8-sig")).get(split, [])
    plain = isinstance(ids, list) and all(isinstance(i, str | int) and not isinstance(i, bool) for i in ids)
    if not plain:
        raise DataError(
            f'{path}: {split} must be an array of ids, like {split} = ["12", "15"]; found {split} = {_excerpt(ids)}'
        )
    return [str(i) for i in ids]


def _csv_ids(path: Path, split: str) -> list[str]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.reader(file, strict=True)
        header = next(rows, [])
        if not {"split", "id"} <= set(header):
            raise DataError(f"{path}: a subset CSV has the columns split, id; found {header}{foreign_header(header)}")
        ids = []
        for row in rows:
            if row and len(row) != len(header):
                raise DataError(
                    f"{path}, line {rows.line_num}: {len(row)} cells under {len(header)} columns; an id that holds a "
                    'comma stands in quotes, like "a,b"'
                )
            if row and row[header.index("split")] == split:
                ids.append(row[header.index("id")])
    return ids


def _excerpt(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _select(card: DatasetCard, table: pd.DataFrame, wanted: set[str], path: Path) -> pd.DataFrame:
    ids = table["id"].astype(str)
    keep = ids.isin(wanted)
    known = set(ids)
    if "image_id" in table:
        keep |= table["image_id"].astype(str).isin(wanted)
        known |= set(table["image_id"].astype(str)) | {str(i) for i in table.attrs.get("image_ids", ())}
    unknown = sorted(wanted - known)
    if unknown:
        raise DataError(
            f"{path}: {len(unknown)} of its ids are not in {card.id}, the first is {unknown[0]!r} "
            f"(an id here looks like {ids.iloc[0]!r})"
            if len(ids)
            else f"{path}: {card.id} has no samples here"
        )
    return table[keep.to_numpy()]


def _check_columns(card: DatasetCard, table: pd.DataFrame) -> None:
    wanted = ("id", "image", *task_for(card).label_columns(card))
    missing = [c for c in wanted if c not in table.columns]
    if missing:
        raise AssertionError(f"reader {card.reader.format} returns no column {missing[0]} for {card.id}")
    if not table["id"].is_unique:
        twice = table["id"][table["id"].duplicated()].iloc[0]
        raise DataError(f"{card.id}: the sample {twice!r} occurs twice in the annotations")
