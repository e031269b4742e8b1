"""Run folders with everything that a submission needs, made of perfect predictions on small random datasets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from humanbench.cards import load_card
from humanbench.data.fingerprint import fingerprint
from humanbench.data.samples import load_samples
from humanbench.hashing import file_sha256
from humanbench.leaderboard.submissions.manifest import FileEntry, Manifest
from humanbench.recipes import load_recipe
from humanbench.results import Result
from humanbench.scoring import score
from humanbench.tasks.registry import task_for
from tests.evaluated import perfect, scored_tables
from tests.leaderboard.made import made_result
from tests.made_runs import SPOIL


def write_honest_run(
    folder: Path, data_root: Path, datasets: Sequence[str], regime: str = "head", error: float = 0.0
) -> Path:
    """A run on datasets that lie under the data root; `error` spoils its predictions, as in `tests.made_runs`."""
    for name in datasets:
        _write_cell(folder, data_root, name, regime, error)
    (folder / "environment.json").write_text('{"python": "3.11.9"}\n')
    return folder


def _write_cell(folder: Path, root: Path, dataset: str, regime: str, error: float) -> None:
    card = load_card(dataset)
    assert card.evaluation is not None
    tables = scored_tables(card, root)
    draft = made_result(dataset, f"off-by-{error}" if error else "mae_vitb", regime=regime)
    guess = perfect(card, tables)
    if error:
        guess = SPOIL[card.task](guess, error, np.random.default_rng(0))
    name = f"{dataset}-{regime}-s0-{draft.cell.id[:12]}"
    path = folder / "predictions" / f"{name}{task_for(card).predictions.suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    task_for(card).predictions.write(card, tables, guess, path)
    report = score(card, path, root)
    recipe = load_recipe(card, regime)
    freeze = {
        "regime": regime,
        "variant": {"name": "", **recipe.freezing.model_dump()},
        "trainable": [["head.weight", 14_200_000]],
        "frozen": [["backbone.weight", 72_200_000]],
        "first_trainable_group": 1,
    }
    canonical = json.dumps(freeze, sort_keys=True, separators=(",", ":"))
    train = {split: load_samples(card, split, root) for split in card.evaluation.train}
    assert draft.provenance is not None
    provenance = draft.provenance.model_copy(
        update={
            "predictions_sha256": report.predictions_sha256,
            "freeze_sha256": hashlib.sha256(canonical.encode()).hexdigest(),
            "dataset_fingerprint": fingerprint(card, tables | train),
        }
    )
    result = draft.model_copy(
        update={
            "metrics": report.metrics,
            "unit": report.unit,
            "split": report.split,
            "info": report.info,
            "predictions": f"predictions/{path.name}",
            "provenance": provenance,
            "synthetic": report.synthetic,
            "epochs": recipe.train.epochs or 10,
            "iterations": recipe.train.iterations or 1000,
        }
    )
    _write(folder / "freeze" / f"{name}.json", json.dumps(freeze, indent=1))
    _write(folder / "recipes" / f"{name}.json", recipe.model_dump_json(indent=1))
    _write(folder / "results" / f"{name}.json", result.to_json())


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n", encoding="utf-8")


def edit_result(folder: Path, dataset: str, **changes: object) -> Result:
    """Change fields of a dataset's result file, as somebody with an editor would."""
    (path,) = (folder / "results").glob(f"{dataset}-*.json")
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document | changes))
    return Result.model_validate(document)


def renewed(folder: Path) -> None:
    """The manifest made to fit again, as a careful forger would."""
    path = folder / "manifest.json"
    manifest = Manifest.model_validate_json(path.read_text())
    files = {
        p.relative_to(folder).as_posix(): FileEntry(sha256=file_sha256(p), size=p.stat().st_size)
        for p in folder.rglob("*")
        if p.is_file() and p != path
    }
    path.write_text(manifest.model_copy(update={"files": files}).model_dump_json())
