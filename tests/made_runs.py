"""Run folders as `eval` leaves them, with predictions of a chosen quality in place of a trained model's."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from humanbench._version import __version__
from humanbench.cards import DatasetCard, load_card
from humanbench.comparison.report import CellReport
from humanbench.data.samples import load_samples
from humanbench.results import Cell, Provenance, Result
from humanbench.scoring import score
from humanbench.tasks.detection import predictions as detection
from humanbench.tasks.pose import predictions as pose
from humanbench.tasks.registry import task_for
from humanbench.tasks.reid import predictions as reid
from tests.evaluated import perfect, write_dataset

COMPARED = ("pa100k", "shanghaitech_a")
"""The datasets of `write_compared`."""


def write_compared(folder: Path) -> Path:
    """Data of two datasets and three runs: `base`, `same` (another seed) and `poor`.

    The twelve crowds are dominated by one, so that their root mean square says little for certain.
    """
    for name in COMPARED:
        write_dataset(load_card(name), folder / "data")
    write_run(folder / "base", folder / "data", COMPARED, 0.2)
    write_run(folder / "same", folder / "data", COMPARED, 0.2, seeds=(1,))
    write_run(folder / "poor", folder / "data", COMPARED, 1.5)
    return folder


def report_of(**fields: Any) -> CellReport:
    """A cell of a comparison with these fields."""
    about = {"task": "reid", "suite": "mini", "regime": "head", "variant": None, "subset": None, "synthetic": False}
    return CellReport(**(about | {"dataset": "x", "scenario": "in-dataset", "metric": "mAP"} | fields))


def write_run(
    folder: Path,
    data_root: Path,
    datasets: Sequence[str],
    error: float = 0.5,
    seeds: Sequence[int] = (0,),
    resamples: int = 100,
    **changes: Any,
) -> Path:
    """A run on these datasets whose predictions are off by `error` (0: perfect, 1: hardly better than chance).

    All runs make the same mistakes to their own degree, plus a little of their own. `changes` replaces fields of the
    results; `cell` and `provenance` may be mappings of fields.
    """
    for name in datasets:
        for seed in seeds:
            _write_cell(folder, data_root, load_card(name), error, seed, resamples, changes)
    return folder


def _write_cell(
    folder: Path, root: Path, card: DatasetCard, error: float, seed: int, resamples: int, changes: dict[str, Any]
) -> None:
    assert card.evaluation is not None
    tables = {split: load_samples(card, split, root) for split in card.evaluation.test}
    stem = f"{card.id}-{changes.get('regime', 'head')}-s{seed}"
    path = folder / "predictions" / f"{stem}{task_for(card).predictions.suffix}"
    spoiled = SPOIL[card.task](perfect(card, tables), error, np.random.default_rng(seed))
    task_for(card).predictions.write(card, tables, spoiled, path)
    report = score(card, path, root, resamples=resamples)
    given = {"path": path.relative_to(folder), "report": report, "card": card, "seed": seed}
    write_result(folder, stem, given, changes)


def write_result(folder: Path, stem: str, given: dict[str, Any], changes: dict[str, Any]) -> Path:
    """Record a scored cell."""
    report, card, seed = given["report"], given["card"], given["seed"]
    changed = dict(changes)
    cell: dict[str, Any] = {
        "dataset": card.id,
        "data_sha256": "d" * 64,
        "weights_sha256": hashlib.sha256(folder.name.encode()).hexdigest(),
        "architecture": "a" * 64,
        "recipe_sha256": "c" * 64,
        "seed": seed,
        "subset": None,
        "inputs": {},
        "humanbench": "0",
    } | changed.pop("cell", {})
    identity = hashlib.sha256(repr((sorted(cell.items()), stem)).encode()).hexdigest()
    provenance = _PROVENANCE | {"predictions_sha256": report.predictions_sha256} | changed.pop("provenance", {})
    fields: dict[str, Any] = {
        "status": "done",
        "dataset": card.id,
        "task": card.task,
        "scenario": "undisclosed",
        "backbone": folder.name,
        "checkpoint": None,
        "regime": "head",
        "suite": "mini",
        "variant": None,
        "seed": seed,
        "synthetic": report.synthetic,
        "subset": None,
        "recipe_source": "ours",
        "main": report.main,
        "split": report.split,
        "unit": report.unit,
        "metrics": report.metrics,
        "predictions": str(given["path"]),
    } | changed
    result = Result(**fields, cell=Cell(id=identity, **cell), provenance=Provenance(**provenance))
    file = folder / "results" / f"{stem}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(result.to_json())
    return file


_PROVENANCE: dict[str, Any] = {
    "humanbench": __version__,
    "git_commit": None,
    "git_dirty": None,
    "packages": {},
    "python": "3.11",
    "platform": "test",
    "device": "cpu",
    "processes": 1,
    "command": "made for a test",
    "started": "2020-01-01T00:00:00+00:00",
    "seconds": {},
    "images_per_second": {},
    "dataset_fingerprint": "f" * 64,
    "freeze_sha256": "e" * 64,
    "cache": {},
}


def _shared() -> np.random.Generator:
    """Mistakes that all runs make."""
    return np.random.default_rng(11)


def _reid(features: reid.ReidFeatures, error: float, rng: np.random.Generator) -> reid.ReidFeatures:
    shared = _shared()
    query, gallery = (
        (side + error * (0.3 * shared.normal(size=side.shape) + 0.1 * rng.normal(size=side.shape))).astype(np.float32)
        for side in (features.query, features.gallery)
    )
    return reid.ReidFeatures(query, gallery)


def _pose(people: pose.PredictedPoses, error: float, rng: np.random.Generator) -> pose.PredictedPoses:
    size = np.ptp(people.keypoints[..., :2], axis=(1, 2))[:, None, None]
    shape = people.keypoints[..., :2].shape
    moved = np.array(people.keypoints, float)
    moved[..., :2] += 0.05 * error * size * (_shared().normal(size=shape) + 0.1 * rng.normal(size=shape))
    return pose.PredictedPoses(people.image_ids, moved, people.scores, people.annotation_ids)


def _parsing(maps: list[np.ndarray], error: float, rng: np.random.Generator) -> list[np.ndarray]:
    shared = _shared()
    wrong = [shared.random(m.shape) + 0.02 * rng.normal() < 0.5 * error for m in maps]
    return [np.where(w, np.roll(m, 7, axis=1), m).astype(np.uint8) for m, w in zip(maps, wrong, strict=True)]


def _attribute(probabilities: np.ndarray, error: float, rng: np.random.Generator) -> np.ndarray:
    moved = _shared().normal(size=probabilities.shape) + 0.1 * rng.normal(size=probabilities.shape)
    return np.clip(probabilities + 0.5 * error * moved, 0, 1)


def _detection(found: detection.Detections, error: float, rng: np.random.Generator) -> detection.Detections:
    size = found.boxes[:, 2:].mean(axis=1, keepdims=True)
    shape = found.boxes.shape
    moved = found.boxes + 0.25 * error * size * (_shared().normal(size=shape) + 0.1 * rng.normal(size=shape))
    return detection.Detections(found.rows, np.maximum(moved, 1.0), found.scores)


def _counting(counts: np.ndarray, error: float, rng: np.random.Generator) -> np.ndarray:
    return np.asarray(counts * (1 + 0.3 * error * (_shared().normal(size=counts.shape) + 0.1 * rng.normal())))


SPOIL: dict[str, Any] = {
    "reid": _reid,
    "pose": _pose,
    "parsing": _parsing,
    "attribute": _attribute,
    "detection": _detection,
    "counting": _counting,
}
