"""CUHK03 under the new protocol (767 / 700 identities): extracted images and the protocol's split files.

The release packs its images into one MATLAB 7.3 file, so they are extracted once, by `extract`, to the folders and
names that the field's tools use. CUHK03-NP, the authors' copy with Market-1501's layout, is read as it is.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.readers import first_file, named_images
from humanbench.data.readers.files import existing, load_mat
from humanbench.data.readers.matlab import numbers, texts
from humanbench.errors import DataError

RELEASES = ("cuhk03_release/cuhk-03.mat", "cuhk-03.mat")
CONFIG = "cuhk03_new_protocol_config_{boxes}.mat"
IMAGES = "images_{boxes}"
INDEX = {"train": "train_idx", "query": "query_idx", "gallery": "gallery_idx"}
NP_FOLDERS = ("cuhk03-np", "cuhk03_np", ".")
NP_PARTS = {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}


def boxes_and_part(split: str) -> tuple[str, str]:
    """A card's split as kind of boxes and part: `query` is of the detected ones, `labeled_query` of the drawn ones."""
    return ("labeled", split.removeprefix("labeled_")) if split.startswith("labeled_") else ("detected", split)


def read(card: DatasetCard, split: str, root: Path) -> Table:
    """Table `id, image, pid, camid` in the order of the split file; camid 0 and 1 are the two views of a pair."""
    boxes, part = boxes_and_part(split)
    for name in NP_FOLDERS:
        if (root / name / boxes).is_dir():
            return _market_style(card, split, root, f"{name}/{boxes}".removeprefix("./"))
    folder = root / IMAGES.format(boxes=boxes)
    if not folder.is_dir():
        raise _no_images(card, root, folder)
    config = _config_file(card, root, boxes)
    content = load_mat(card, config)
    try:
        names = np.array(texts(content["filelist"]), object)
        labels, cameras = numbers(content["labels"]), numbers(content["camId"])
        chosen = numbers(content[INDEX[part]]) - 1
        names, pids, camids = names[chosen], labels[chosen], cameras[chosen] - 1
    except KeyError as error:
        raise DataError(f"{card.id}: {config} has no variable {error}") from error
    except (ValueError, IndexError) as error:
        raise DataError(f"{card.id}: {config} is not a split file of the new protocol ({error})") from error
    return named_images.frame(root, [f"{folder.name}/{name}" for name in names], pids, camids)


def extract(card: DatasetCard, root: Path) -> list[Path]:
    """Write the images in `cuhk-03.mat` as PNG to `images_detected/` and `images_labeled/`; returns the two folders.

    Names are those of the split files: `<camera pair>_<person in the pair, 3 digits>_<view>_<image, 2 digits>.png`,
    all counted from 1; images 1-5 are of view 1, 6-10 of view 2. A folder appears under its name only when it is
    complete; existing ones are left as they are. Raises `DataError` for an absent or foreign file.
    """
    import h5py

    path = existing(card, first_file(root, RELEASES) or root / RELEASES[0])
    folders = []
    try:
        with h5py.File(path) as file:
            for boxes in ("detected", "labeled"):
                folder = root / IMAGES.format(boxes=boxes)
                if not folder.is_dir():
                    _write_images(file, boxes, folder)
                folders.append(folder)
    except (OSError, KeyError, AttributeError, TypeError, ValueError) as error:
        raise DataError(f"{card.id}: {path} could not be extracted ({type(error).__name__}: {error})") from error
    return folders


def _write_images(file: Any, boxes: str, folder: Path) -> None:
    from PIL import Image

    unfinished = folder.with_name(folder.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    try:
        for name, pixels in _images(file, boxes):
            Image.fromarray(pixels).save(unfinished / name)
        os.replace(unfinished, folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def _images(file: Any, boxes: str) -> Iterator[tuple[str, np.ndarray]]:
    """Name and pixels (H x W x 3 uint8) of every image; HDF5 holds MATLAB's arrays with the axes reversed."""
    for pair, reference in enumerate(np.asarray(file[boxes][()]).ravel(), 1):
        people = np.asarray(file[reference][()]).T
        for person, row in enumerate(people, 1):
            for number, cell in enumerate(row, 1):
                pixels = np.asarray(file[cell][()]).T
                if pixels.ndim == 3 and pixels.size:
                    if pixels.shape[2] != 3 or pixels.dtype != np.uint8:
                        raise ValueError(f"image {number} of person {person} in pair {pair} is not 8-bit RGB")
                    view = 1 if number <= 5 else 2
                    yield f"{pair}_{person:03d}_{view}_{number:02d}.png", np.ascontiguousarray(pixels)


def _config_file(card: DatasetCard, root: Path, boxes: str) -> Path:
    name = CONFIG.format(boxes=boxes)
    return existing(card, first_file(root, (name, f"cuhk03_release/{name}")) or root / name)


def _market_style(card: DatasetCard, split: str, root: Path, base: str) -> Table:
    """CUHK03-NP: `detected/bounding_box_train/0001_c1_1.png`."""
    _, part = boxes_and_part(split)
    options = {
        "folders": {split: [f"{base}/{NP_PARTS[part]}"]},
        "name": "{folder}/{pid:04d}_c{camera}_{number}.png",
        "pattern": r".*/(?P<pid>\d+)_c(?P<camera>\d+)_.*",
        "cameras": ["1", "2"],
    }
    reader = card.reader.model_copy(update={"options": options})
    return named_images.read(card.model_copy(update={"reader": reader}), split, root)


def _no_images(card: DatasetCard, root: Path, folder: Path) -> DataError:
    if release := first_file(root, RELEASES):
        return DataError(
            f"{card.id}: the images are still packed in {release.name}; "
            f"`humanbench datasets extract {card.id}` writes them to {folder.name}/"
        )
    return DataError(
        f"{card.id}: {folder.name} not found under {root}; "
        f"`humanbench datasets show {card.id}` prints the layouts that are read"
    )
