"""Whether what a submission says fits together: results, cards, recipes, freeze reports, backbone."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from humanbench.cards import cards, load_card, scenario
from humanbench.errors import HumanbenchError
from humanbench.hashing import content_sha256, key
from humanbench.leaderboard.submissions.archive import SubmissionError
from humanbench.leaderboard.submissions.manifest import BackboneRecord, read_document, validated
from humanbench.metrics.directions import direction
from humanbench.recipes import Recipe
from humanbench.regimes import REGIMES
from humanbench.results import Provenance, Result
from humanbench.scoring import Metric
from humanbench.suites import SUITES
from humanbench.tasks.registry import task_for

_LONGEST = 400
"""Characters of a text in a result, but for the command, the reason and the notes of a metric."""
_MOST = 1e7
"""No count or distance in pixels is larger."""


_SIDE = 100_000
"""Pixels; no picture is larger."""


def inconsistencies(folder: Path, result: Result, backbone: BackboneRecord) -> Iterator[str]:
    """What does not fit in one result; nothing if all does."""
    if result.status != "done" or result.provenance is None or result.predictions is None:
        yield "it is not the result of a finished cell with predictions"
        return
    yield from _long_texts(result.model_dump(exclude={"history", "info"}))
    card = cards().get(result.dataset)
    if card is None or card.evaluation is None:
        yield f"{result.dataset!r} is no dataset that is evaluated here"
        return
    yield from _identity(result, backbone)
    if result.task != card.task:
        yield f"its task is {result.task!r}, the dataset's is {card.task}"
    expected = scenario(card, backbone.pretrained_on)
    if result.scenario != expected:
        yield f"its scenario is {result.scenario!r}, but what the backbone was pretrained on makes it {expected}"
    if result.regime not in REGIMES or result.suite not in SUITES:
        yield f"regime {result.regime!r} or suite {result.suite!r} is unknown here"
    if any(name not in card.splits for name in result.split.split("+")):
        yield f"the split {result.split!r} is not one of the dataset"
    yield from _metrics(result)
    yield from _cost(result)
    yield from _recipe(folder, result)
    yield from _freezing(folder, result, result.provenance)
    yield from _predictions(folder, result, result.provenance)


def _long_texts(value: Any, name: str = "") -> Iterator[str]:
    if isinstance(value, str) and len(value) > _LONGEST and name not in ("command", "reason"):
        yield f"{name} has {len(value):,} characters, at most {_LONGEST} are taken"
    elif isinstance(value, dict):
        for inner, item in value.items():
            yield from _long_texts(inner, "a key")
            yield from _long_texts(item, str(inner)[:40])


def _identity(result: Result, backbone: BackboneRecord) -> Iterator[str]:
    cell = result.cell
    content = cell.model_dump(exclude={"id"})
    if key(content) != cell.id:
        yield "the cell's id is not the hash of its content"
    pairs = [
        ("dataset", result.dataset, cell.dataset),
        ("seed", result.seed, cell.seed),
        ("subset", result.subset, cell.subset),
        ("weights", backbone.weights_sha256, cell.weights_sha256),
        ("backbone", result.backbone, backbone.name),
        ("checkpoint", result.checkpoint, backbone.checkpoint),
    ]
    yield from (f"two different values of {name}: {a!r} and {b!r}" for name, a, b in pairs if a != b)


def _cost(result: Result) -> Iterator[str]:
    cost = result.cost
    if cost is None:
        return
    if not 0 < cost.gflops <= _MOST:
        yield f"{cost.gflops!r} GFLOPs for one picture are none"
    if not (0 < cost.height <= _SIDE and 0 < cost.width <= _SIDE):
        yield f"a picture of {cost.height} x {cost.width} pixels is none"


def _metrics(result: Result) -> Iterator[str]:
    if result.main not in result.metrics:
        yield f"the main metric {result.main!r} has no value"
        return
    if not math.isfinite(result.value):
        yield f"the main metric {result.main} is undefined"
    for name, metric in result.metrics.items():
        try:
            unit = direction(name).unit
        except HumanbenchError as error:
            yield str(error)
            continue
        if reason := _wrong_metric(metric, 100.0 if unit == "%" else _MOST):
            yield f"{name} {reason}"


def _wrong_metric(metric: Metric, most: float) -> str:
    values = (metric.value, metric.low, metric.high)
    if any(math.isfinite(v) and not -1e-6 <= v <= most * (1 + 1e-9) for v in values):
        return f"has values outside 0 to {most:g}: {values}"
    if any(math.isinf(v) for v in values):
        return f"is not finite: {values}"
    if metric.low > metric.high:
        return f"has an interval upside down: {metric.low} to {metric.high}"
    return "" if metric.n >= 1 else f"was measured on {metric.n} units"


def artefact(result: Result) -> str:
    """Name of a cell's files in a run folder, without suffix."""
    assert result.predictions is not None
    suffix = task_for(load_card(result.dataset)).predictions.suffix if result.dataset in cards() else ""
    return Path(result.predictions).name.removesuffix(suffix)


def _recipe(folder: Path, result: Result) -> Iterator[str]:
    path = folder / "recipes" / f"{artefact(result)}.json"
    if not path.is_file():
        yield f"its recipe recipes/{path.name} is not there"
        return
    try:
        recipe = validated(Recipe, read_document(path), f"recipes/{path.name}")
    except SubmissionError as error:
        yield str(error)
        return
    if recipe.sha256 != result.cell.recipe_sha256:
        yield f"the recipe has the hash {recipe.sha256[:12]}, the cell was made by {result.cell.recipe_sha256[:12]}"
    for name in ("task", "suite", "regime", "variant"):
        if getattr(recipe, name) != getattr(result, name):
            yield f"the recipe's {name} is {getattr(recipe, name)!r}, the result's {getattr(result, name)!r}"


def _freezing(folder: Path, result: Result, provenance: Provenance) -> Iterator[str]:
    path = folder / "freeze" / f"{artefact(result)}.json"
    if not path.is_file():
        yield f"its freeze report freeze/{path.name} is not there"
        return
    try:
        report = read_document(path)
        counts = {which: sum(int(count) for _, count in report[which]) for which in ("trainable", "frozen")}
    except SubmissionError as error:
        yield str(error)
        return
    except (KeyError, TypeError, ValueError):
        yield f"freeze/{path.name}: not a freeze report"
        return
    text = json.dumps(report, sort_keys=True, separators=(",", ":"))
    if hashlib.sha256(text.encode()).hexdigest() != provenance.freeze_sha256:
        yield "the freeze report is not the one whose hash the result has"
    if report.get("regime") != result.regime:
        yield f"the freeze report's regime is {report.get('regime')!r}, the result's {result.regime!r}"
    if counts != {"trainable": result.trainable, "frozen": result.frozen}:
        yield f"the freeze report counts {counts}, the result {result.trainable} trainable and {result.frozen} frozen"


def _predictions(folder: Path, result: Result, provenance: Provenance) -> Iterator[str]:
    name = result.predictions or ""
    if not name.startswith("predictions/") or ".." in Path(name).parts:
        yield f"its predictions are said to be at {name!r}, not in predictions/"
        return
    path = folder / name
    if not (path.is_file() if task_for(load_card(result.dataset)).predictions.suffix else path.is_dir()):
        yield f"its predictions {name!r} are not there"
    elif content_sha256(path) != provenance.predictions_sha256:
        yield f"the predictions {name!r} are not those whose hash the result has"
