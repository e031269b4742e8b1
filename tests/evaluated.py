"""Small evaluation datasets in their official form, and predictions for them that are right everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from click.testing import CliRunner, Result

from humanbench.cards import DatasetCard, load_card
from humanbench.cli import main
from humanbench.data.labels import IGNORE, load_label
from humanbench.data.samples import load_samples
from humanbench.data.writers import writer_for
from humanbench.tasks.attribute import predictions as attribute
from humanbench.tasks.counting import predictions as counting
from humanbench.tasks.detection import predictions as detection
from humanbench.tasks.pose import predictions as pose
from humanbench.tasks.registry import task_for, tasks
from humanbench.tasks.reid import predictions as reid
from tests import make

Tables = dict[str, pd.DataFrame]

EXAMPLES = ("market1501", "coco_pose", "mpii", "lip", "pa100k", "crowdhuman", "shanghaitech_a")
"""A dataset per kind of predictions file and way of checking it."""

SUFFIX = {task.name: task.predictions.suffix for task in tasks()}


def write_dataset(card: DatasetCard, data_root: Path) -> None:
    """A small random copy of the dataset under the data root."""
    root = data_root / card.id / card.reader.roots[0]
    root.mkdir(parents=True)
    writer_for(card).write(card, root, make.tables(card, np.random.default_rng(7)), make.save)


def scored_tables(card: DatasetCard, data_root: Path) -> Tables:
    """The tables that `score` uses by default."""
    assert card.evaluation is not None
    return {split: load_samples(card, split, data_root) for split in card.evaluation.test}


def perfect(card: DatasetCard, tables: Tables) -> Any:
    """Predictions equal to the ground truth, as the task's `predictions.write` takes them."""
    return PERFECT[card.task](card, tables)


def write_perfect(name: str, data_root: Path, path: Path) -> Tables:
    """Write the dataset and perfect predictions for it; the tables."""
    card = load_card(name)
    write_dataset(card, data_root)
    tables = scored_tables(card, data_root)
    task_for(card).predictions.write(card, tables, perfect(card, tables), path)
    return tables


def run(*args: str | Path) -> Result:
    """`humanbench ARGS`."""
    return CliRunner().invoke(main, [str(a) for a in args])


def prediction_path(card: DatasetCard, folder: Path) -> Path:
    """Where to write predictions of this task."""
    return folder / f"predictions{SUFFIX[card.task]}"


def _reid(card: DatasetCard, tables: Tables) -> reid.ReidFeatures:
    people = np.unique(np.concatenate([t["pid"] for t in tables.values()]))
    query, gallery = (np.eye(len(people), dtype=np.float32)[np.searchsorted(people, t["pid"])] for t in tables.values())
    return reid.ReidFeatures(query, gallery)


def _pose(card: DatasetCard, tables: Tables) -> pose.PredictedPoses:
    (table,) = tables.values()
    points = np.stack([np.asarray(k, float) for k in table["keypoints"]])
    assert card.evaluation is not None
    given = pose.METRICS[card.evaluation.options["metric"]].given
    keep = np.full(len(table), True) if given else (points[..., 2] > 0).any(axis=1) & (table["iscrowd"] == 0).to_numpy()
    scores = np.linspace(1.0, 0.5, len(table))
    ids = list(table["annotation_id"]) if given else None
    return pose.PredictedPoses(list(table["image_id"][keep]), points[keep], scores[keep], ids)


def _parsing(card: DatasetCard, tables: Tables) -> list[np.ndarray]:
    (table,) = tables.values()
    maps = [load_label(card, label) for label in table["label"]]
    return [np.where(m == IGNORE, 0, m).astype(np.uint8) for m in maps]


def _attribute(card: DatasetCard, tables: Tables) -> attribute.Probabilities:
    (table,) = tables.values()
    labels = table[list(card.labels.attributes)].to_numpy(float)
    return np.where(labels == 1, 0.9, 0.1)


def _detection(card: DatasetCard, tables: Tables) -> detection.Detections:
    (table,) = tables.values()
    real = [np.asarray(b)[~np.asarray(i)] for b, i in zip(table["boxes"], table["ignore"], strict=True)]
    rows = np.repeat(np.arange(len(table)), [len(b) for b in real])
    return detection.Detections(rows, np.concatenate(real), np.linspace(0.9, 0.8, len(rows)))


def _counting(card: DatasetCard, tables: Tables) -> counting.Counts:
    (table,) = tables.values()
    return table["count"].to_numpy(float)


PERFECT = {
    "reid": _reid,
    "pose": _pose,
    "parsing": _parsing,
    "attribute": _attribute,
    "detection": _detection,
    "counting": _counting,
}
