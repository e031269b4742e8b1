"""Whether what a submission says fits together: results, cards, recipes, freeze reports, backbone."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from humanbench.backbones.cards import BackboneCard
from humanbench.cards import DatasetCard, find_card, load_card, scenario
from humanbench.errors import HumanbenchError
from humanbench.hashing import content_sha256, document_sha256, key
from humanbench.leaderboard.model.entries import conflicts
from humanbench.leaderboard.submissions.archive import SubmissionError
from humanbench.leaderboard.submissions.manifest import BackboneRecord, Model, read_document, validated
from humanbench.metrics.directions import direction
from humanbench.names import shown
from humanbench.recipes import DIRECT, Recipe
from humanbench.regimes import REGIMES, Regime, Variant
from humanbench.results import Provenance, Result
from humanbench.results.record import Number
from humanbench.schema import Record
from humanbench.scoring import Metric
from humanbench.suites import SUITES
from humanbench.tasks.registry import task_for

_LONGEST = 400
"""Characters of a text in a result, but for the command, the reason and the notes of a metric."""
_LONGEST_COMMAND = 20_000
_MOST_KEYS = 1000
"""Keys of a mapping in a result: packages, notes, metrics."""
_PLACE = re.compile(r"predictions/[A-Za-z0-9_(][A-Za-z0-9 _.,+=@()-]{0,180}")
"""Where predictions lie in a submission, and what their names are made of."""
_DEEPEST = 4
_MOST_NUMBER = 1e15
_MOST = 1e7
"""No count or distance in pixels is larger."""
_LEAST = 1e-6
"""No time and no speed is smaller, unless it is 0."""
_FIRST_YEAR = 2023
"""The benchmark's own: nothing was run before."""


class FreezeDocument(Record):
    """A freeze report as a run folder keeps it (`FreezeReport.as_dict`)."""

    regime: str
    variant: Variant
    trainable: Annotated[tuple[tuple[str, Number], ...], Field(max_length=100_000)]
    frozen: Annotated[tuple[tuple[str, Number], ...], Field(max_length=100_000)]
    first_trainable_group: Annotated[int, Field(ge=0, le=100_000)]


def inconsistencies(folder: Path, result: Result, backbone: BackboneRecord) -> Iterator[str]:
    """What does not fit in one result; nothing if all does."""
    if result.status != "done" or result.provenance is None or result.predictions is None:
        yield "it is not the result of a finished cell with predictions"
        return
    if _PLACE.fullmatch(result.predictions) is None or ".." in result.predictions:
        yield f"its predictions are said to be at {shown(result.predictions, 100)!r}, not in predictions/"
        return
    yield from _long_texts(result.model_dump(exclude={"history", "reliability"}))
    yield from _long_texts(dict.fromkeys(result.reliability, ""), "reliability")  # lists of a curve have their limits
    card = find_card(result.dataset)
    if card is None or card.evaluation is None:
        yield f"{result.dataset!r} is no dataset that is evaluated here"
        return
    yield from _identity(result, backbone)
    yield from _dataset(card, result, backbone)
    yield from _times(result.provenance)
    if result.regime not in REGIMES or result.suite not in SUITES:
        yield f"regime {result.regime!r} or suite {result.suite!r} is unknown here"
    yield from _metrics(card, result)
    recipe, wrong = _document(folder / "recipes" / f"{artefact(result)}.json", "recipe", Recipe)
    yield from wrong
    if recipe is not None:
        yield from _recipe(result, recipe)
    report, wrong = _document(folder / "freeze" / f"{artefact(result)}.json", "freeze report", FreezeDocument)
    yield from wrong
    if report is not None:
        yield from _freezing(result, report, folder / "freeze" / f"{artefact(result)}.json")
        if recipe is not None and report.variant != Variant(name=recipe.variant or "", **recipe.freezing.model_dump()):
            yield "the freeze report is of another variant than the recipe's"
    yield from _predictions(folder, result, result.provenance)


def between_results(results: Sequence[Result]) -> Iterator[str]:
    """What does not fit between the results of one submission."""
    cells: set[str] = set()
    paths: set[str] = set()
    predictions: dict[str, Result] = {}
    yield from conflicts(results)
    for result in results:
        words = [shown(result.dataset, 40), shown(result.regime, 20), *([result.condition] if result.condition else [])]
        name = f"{' '.join(words)} seed {result.seed}"
        if result.cell.id in cells:
            yield f"{name}: its cell is there twice"
        if result.predictions in paths:
            yield f"{name}: its predictions {result.predictions!r} are also those of another result"
        content = _predictions_of_training(result)
        if (same := predictions.get(content)) is not None:
            yield f"{name}: has the very predictions of seed {same.seed}, and no two trainings make the same"
        cells.add(result.cell.id)
        if result.predictions:
            paths.add(result.predictions)
        if content:
            predictions[content] = result


def _predictions_of_training(result: Result) -> str:
    """The hash of predictions that a training made; empty without a training, where seeds change nothing."""
    trained = result.regime in REGIMES and REGIMES[result.regime].fits
    return result.provenance.predictions_sha256 if trained and result.provenance is not None else ""


def unused_files(files: Sequence[str], results: Sequence[Result]) -> Iterator[str]:
    """Names of files in a submission that belong to none of its results."""
    names = {artefact(result) for result in results if result.predictions is not None}
    predictions = tuple(result.predictions for result in results if result.predictions is not None)
    for name in files:
        top, _, rest = name.partition("/")
        ours = top not in ("recipes", "freeze") or Path(rest).stem in names
        if top == "predictions":
            ours = any(name == one or name.startswith(f"{one}/") for one in predictions)
        if not ours:
            yield f"{name} belongs to none of its results"


def of_environment(document: dict[str, Any]) -> Iterator[str]:
    """What is beyond its bounds in the description of the machine."""
    left: list[tuple[Any, int]] = [(document, 0)]
    while left:
        value, depth = left.pop()
        inner: list[Any] = [*value, *value.values()] if isinstance(value, dict) else []
        inner = value if isinstance(value, list) else inner
        if len(inner) > 2 * _MOST_KEYS or depth > _DEEPEST:
            yield f"environment.json: holds more than {_MOST_KEYS} keys in one place, or is more than {_DEEPEST} deep"
            return
        if isinstance(value, str) and len(value) > _LONGEST_COMMAND:
            yield f"environment.json: a text of {len(value):,} characters, at most {_LONGEST_COMMAND} are taken"
            return
        if isinstance(value, int | float) and abs(value) > _MOST_NUMBER:
            yield f"environment.json: holds a number beyond {_MOST_NUMBER:g}"
            return
        left += [(item, depth + 1) for item in inner]


def of_backbone(backbone: BackboneRecord) -> Iterator[str]:
    """What does not fit in the record of a backbone."""
    if backbone.card is None:
        return
    try:
        card = validated(BackboneCard, backbone.card, "backbone.json: card")
    except SubmissionError as error:
        yield str(error)
        return
    if card.id != backbone.name:
        yield f"backbone.json: the backbone is called {backbone.name!r}, its card is of {card.id!r}"


def _long_texts(value: Any, name: str = "", depth: int = 0) -> Iterator[str]:
    if isinstance(value, str):
        most = _LONGEST_COMMAND if name in ("command", "reason") else _LONGEST
        if len(value) > most:
            yield f"{name} has {len(value):,} characters, at most {most} are taken"
    elif isinstance(value, dict):
        if len(value) > _MOST_KEYS or depth > _DEEPEST:
            yield f"{name} has {len(value):,} keys, at most {_MOST_KEYS} are taken, {_DEEPEST} deep"
            return
        for inner, item in value.items():
            yield from _long_texts(inner, "a key")
            yield from _long_texts(item, str(inner)[:40], depth + 1)
    elif isinstance(value, list | tuple):
        yield f"{name} holds a list"
    elif (isinstance(value, int) and abs(value) > _MOST_NUMBER) or (isinstance(value, float) and value > _MOST_NUMBER):
        yield f"{name} holds a number beyond {_MOST_NUMBER:g}"


def _identity(result: Result, backbone: BackboneRecord) -> Iterator[str]:
    cell = result.cell
    if key(cell.content) != cell.id:
        yield "the cell's id is not the hash of its content"
    pairs = [
        ("dataset", result.dataset, cell.dataset),
        ("seed", result.seed, cell.seed),
        ("subset", result.subset, cell.subset),
        ("weights", backbone.weights_sha256, cell.weights_sha256),
        ("backbone", result.backbone, backbone.name),
        ("checkpoint", result.checkpoint, backbone.checkpoint),
    ]
    pairs.append(("part of the labels", result.trained_on is None, cell.fraction is None))
    if result.provenance is not None:
        pairs.append(("humanbench", result.provenance.humanbench.partition(".")[0], cell.humanbench))
    yield from (f"two different values of {name}: {a!r} and {b!r}" for name, a, b in pairs if a != b)


def _dataset(card: DatasetCard, result: Result, backbone: BackboneRecord) -> Iterator[str]:
    assert card.evaluation is not None
    if result.task != card.task:
        yield f"its task is {result.task!r}, the dataset's is {card.task}"
    expected = scenario(card, backbone.pretrained_on)
    if result.scenario != expected:
        yield f"its scenario is {result.scenario!r}, but what the backbone was pretrained on makes it {expected}"
    if result.split != (test := "+".join(card.evaluation.test)):
        yield f"it is a result on the split {result.split!r}; {card.id} is tested on {test}"
    if result.main != card.evaluation.main:
        yield f"its main metric is {result.main!r}, the dataset's is {card.evaluation.main}"
    if result.reason:
        yield "it is finished and has a reason for its failure"


def _times(provenance: Provenance) -> Iterator[str]:
    """A run began after the benchmark did, and not in the future (a day is left for clocks)."""
    try:
        started = datetime.datetime.fromisoformat(provenance.started)
        started = started if started.tzinfo else started.replace(tzinfo=datetime.UTC)
        late = started > datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
    except (ValueError, OverflowError):
        yield f"it was started at {shown(provenance.started, 40)!r}, which is no time (ISO 8601)"
        return
    if late or started.year < _FIRST_YEAR:
        yield f"it was started at {shown(provenance.started, 40)}, which is {'in the future' if late else 'too early'}"
    for name, value in (*provenance.images_per_second.items(), *provenance.seconds.items()):
        if 0 < value < _LEAST:
            yield f"{shown(name, 40)}: {value} seconds or images per second are none"


def _metrics(card: DatasetCard, result: Result) -> Iterator[str]:
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
    card = find_card(result.dataset)
    suffix = task_for(card).predictions.suffix if card is not None else ""
    return Path(result.predictions).name.removesuffix(suffix)


def _document(path: Path, what: str, model: type[Model]) -> tuple[Model | None, list[str]]:
    """A document that belongs to a result, or None and what is wrong with it."""
    if not path.is_file():
        return None, [f"its {what} {path.parent.name}/{path.name} is not there"]
    try:
        return validated(model, read_document(path), f"{path.parent.name}/{path.name}"), []
    except SubmissionError as error:
        return None, [f"not a {what}: {error}"]


def _recipe(result: Result, recipe: Recipe) -> Iterator[str]:
    if recipe.sha256 != result.cell.recipe_sha256:
        yield f"the recipe has the hash {recipe.sha256[:12]}, the cell was made by {result.cell.recipe_sha256[:12]}"
    for name in ("task", "suite", "regime", "variant"):
        if getattr(recipe, name) != getattr(result, name):
            yield f"the recipe's {name} is {getattr(recipe, name)!r}, the result's {getattr(result, name)!r}"
    if recipe.source != result.recipe_source:
        yield f"the recipe's source is {recipe.source!r}, the result's {result.recipe_source!r}"
    if set(recipe.inputs) != set(result.cell.inputs):
        needed, given = (", ".join(sorted(names)) or "none" for names in (recipe.inputs, result.cell.inputs))
        yield f"the recipe takes these files: {needed}; the cell had: {given}"
    if result.variant == DIRECT and recipe.fits:
        yield f"the variant {DIRECT} is without finetuning, its regime is {result.regime!r}"
    yield from _duration(result, recipe)


def _duration(result: Result, recipe: Recipe) -> Iterator[str]:
    """Whether it was trained for as long as its recipe says."""
    if not recipe.fits:
        if result.epochs or result.iterations:
            yield f"it was trained for {result.epochs:,} epochs, and {result.regime} does not train"
        return
    for name in ("epochs", "iterations"):
        wanted, there = getattr(recipe.train, name), getattr(result, name)
        if wanted is not None and wanted != there:
            yield f"it was trained for {there:,} {name}, its recipe says {wanted:,}"


def _freezing(result: Result, report: FreezeDocument, path: Path) -> Iterator[str]:
    assert result.provenance is not None
    if document_sha256(read_document(path)) != result.provenance.freeze_sha256:
        yield "the freeze report is not the one whose hash the result has"
    if report.regime != result.regime:
        yield f"the freeze report's regime is {report.regime!r}, the result's {result.regime!r}"
    counts = {which: sum(count for _, count in getattr(report, which)) for which in ("trainable", "frozen")}
    if counts != {"trainable": result.trainable, "frozen": result.frozen}:
        yield f"the freeze report counts {counts}, the result {result.trainable} trainable and {result.frozen} frozen"
    names = [name for name, _ in (*report.trainable, *report.frozen)]
    if len(set(names)) < len(names):
        yield "the freeze report names a parameter twice"
    if result.regime in REGIMES:
        yield from _trained_parts(REGIMES[result.regime], report)


def _trained_parts(regime: Regime, report: FreezeDocument) -> Iterator[str]:
    """Whether what trained is what the regime trains, as far as names tell."""
    trained, frozen = ([name for name, _ in part] for part in (report.trainable, report.frozen))
    wrong = [name for name in trained if not regime.trains_backbone and not name.startswith("head.")]
    wrong += [name for name in trained if not regime.head and name.startswith("head.")]
    if wrong:
        yield f"the freeze report says that {shown(wrong[0], 60)} was trained, which {regime.name} does not"
    fixed = ("pos_embed",) if report.variant.freeze_pos_embed else ()
    still = [name for name in frozen if regime.whole and name.rpartition(".")[2] not in fixed]
    still += [name for name in frozen if regime.head and name.startswith("head.")]
    if still:
        yield f"the freeze report says that {shown(still[0], 60)} was frozen, which {regime.name} trains"


def _predictions(folder: Path, result: Result, provenance: Provenance) -> Iterator[str]:
    name = result.predictions or ""
    path = folder / name
    if not (path.is_file() if task_for(load_card(result.dataset)).predictions.suffix else path.is_dir()):
        yield f"its predictions {name!r} are not there"
    elif content_sha256(path) != provenance.predictions_sha256:
        yield f"the predictions {name!r} are not those whose hash the result has"


def contents(result: Result | dict[str, Any]) -> frozenset[str]:
    """What a result is known by, whatever it is called: its cell, and what was predicted.

    Predictions of a training are nobody else's. Without one they are of the weights and the dataset: the same ones
    again are a copy, whatever the cell says of seed, network and pictures.
    """
    if isinstance(result, Result):
        result = result.model_dump(include={"cell", "provenance", "regime", "dataset"})
    cell, provenance, regime = result.get("cell"), result.get("provenance"), str(result.get("regime"))
    cell = cell if isinstance(cell, dict) else {}
    names = [cell.get("id")]
    if isinstance(provenance, dict) and regime in REGIMES and (predicted := provenance.get("predictions_sha256")):
        of = f"{result.get('dataset')} {regime} {cell.get('weights_sha256')} {predicted}"
        names.append(predicted if REGIMES[regime].fits else of)
    return frozenset(name for name in names if isinstance(name, str) and name)
