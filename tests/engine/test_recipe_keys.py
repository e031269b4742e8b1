"""Every key of a recipe is consumed: another value changes what is seen, trained or predicted.

No list of keys is written down here: they are those of the files under protocols/ and of the recipe's own types, so a
key that no code reads fails as soon as it is there.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product, zip_longest
from typing import Any, get_args

import numpy as np
import pytest
import torch

from humanbench.cards import DatasetCard, evaluated
from humanbench.data_root import find_data
from humanbench.engine.batches import TrainingBatches
from humanbench.engine.context import CellSpec, RunContext
from humanbench.engine.devices import Rank, accelerator_for
from humanbench.engine.fit import Fit
from humanbench.engine.predict import predict
from humanbench.engine.prepared import PreparedCell, Tables, cell_key, prepare, read_tables
from humanbench.engine.run_folder import RunFolder
from humanbench.errors import HumanbenchError, RecipeError
from humanbench.evaluation import selection
from humanbench.export import boards
from humanbench.paths import shipped
from humanbench.recipes import SECTIONS, Recipe, load_recipe
from humanbench.regimes import REGIMES
from humanbench.run_log import RunLog
from humanbench.suites import SUITES
from humanbench.tasks.options import RecipeOptions
from humanbench.tasks.registry import task_named, task_names
from humanbench.tasks.training import training_of
from tests.engine.toy import FAST, toy_backbone, write_datasets

pytestmark = pytest.mark.xdist_group("recipe keys")  # what its fixtures make is made once

ENGINE = ("input", "freezing", "optim", "schedule", "train")
"""Sections that mean the same for all tasks."""

TOLD = ("source", "notes", "only", "regimes", "without")
"""Keys that are told and not computed with: in the result, in the recipe's page, in the choice of a variant."""

QUICK = {"train.iterations": 2, "train.accumulate": 1, "train.amp": "no", "schedule.warmup": 1}
SMALL = {
    "reid": {"input.size": [48, 24]},  # not that of the pictures, which then would not be resized at all
    "detection": {
        "augment.short_sides": [32], "augment.crop_short_sides": [40], "augment.crop_sides": [24, 40],
        "head.layers": 2, "head.anchors": 8,
    },
}  # fmt: skip
Key = tuple[str, str]


def files() -> dict[str, dict[str, Any]]:
    """The recipe files by task."""
    return {
        task: tomllib.loads((shipped("protocols") / f"{task}.toml").read_text(encoding="utf-8"))
        for task in task_names()
    }


def layers(tables: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every table of sections in a recipe file with its name, however deep."""
    for name, table in tables.items():
        if name == "default":
            yield name, table
        if name in ("regime", "dataset", "variant", "suite"):
            for inner, layer in table.items():
                yield f"{name}.{inner}", {k: v for k, v in layer.items() if k not in ("regime", "dataset")}
                deeper = {k: v for k, v in layer.items() if k in ("regime", "dataset")}
                yield from ((f"{name}.{inner}.{deep}", layer) for deep, layer in layers(deeper))


def keys(task: str) -> set[Key]:
    """Section and key of everything that recipes of the task say."""
    pairs = {(s, k) for _, layer in layers(files()[task]) for s in layer if s not in TOLD for k in layer[s]}
    pairs |= {(s, k) for s in ENGINE for k in Recipe.model_fields[s].annotation.model_fields}
    return pairs | {
        (s, k) for s, kind in SECTIONS.items() for name in kind.catalogue.names() for k in kind.known_keys(name)
    }


@pytest.mark.parametrize("task", task_names())
def test_every_table_of_a_recipe_file_is_one_that_is_looked_up(task: str) -> None:
    tables = files()[task]
    assert set(tables) <= {"default", "regime", "dataset", "variant", "suite", "heads"}
    assert set(tables.get("heads", {}).get("others", ())) <= set(tables.get("variant", {}))
    names = {card.id for card in evaluated() if card.task == task}
    known = {"regime": set(REGIMES.names()), "dataset": names, "suite": set(SUITES) - {"humanbench-v1"}}
    for name, layer in layers(tables):
        words = name.split(".")
        for kind, value in zip(words[::2], words[1::2], strict=False):
            assert kind == "variant" or value in known[kind], f"[{name}] is never looked up"
        assert set(layer.get("only", ())) <= names
        assert {*layer.get("regimes", ()), *layer.get("without", ())} <= set(REGIMES.names())
        assert set(layer) <= {*TOLD, *ENGINE, "augment", "head", "loss", "test"}, f"[{name}] has an unknown section"


class Read(dict[str, Any]):
    """A table that notes which of its keys are asked for."""

    def __init__(self, table: Mapping[str, Any], asked: set[str]) -> None:
        super().__init__({k: Read(v, asked) if isinstance(v, dict) else v for k, v in table.items()})
        self.asked = asked

    def __getitem__(self, key: str) -> Any:
        self.asked.add(key)
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        """As of any table."""
        self.asked.add(key)
        return super().get(key, default)


def test_every_key_of_the_benchmark_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    table, asked = dict(selection.benchmark()), set[str]()
    monkeypatch.setattr(selection, "benchmark", lambda: Read(table, asked))
    for regime in REGIMES:
        selection.candidates((), None, regime.name, None, ())
    with pytest.raises(HumanbenchError, match="is for reid"):
        selection.candidates(("mpii",), None, "none", None, ())
    monkeypatch.setattr(boards, "benchmark", lambda: Read(table, asked))
    assert boards.halves()[0] == ["parsing", "reid"]
    assert set(table) <= asked


@dataclass(frozen=True)
class Bench:
    """A data root with small datasets, and a toy backbone."""

    context: RunContext
    read: dict[Any, Tables] = field(default_factory=dict)
    traced: dict[Any, str] = field(default_factory=dict)

    def tables(self, card: DatasetCard, recipe: Recipe) -> Tables:
        """Sample tables of a cell, read once."""
        key = (card.id, recipe.train.on, recipe.regime == "none")
        if key not in self.read:
            self.read[key] = read_tables(self.context, CellSpec(card, recipe, 0))
        return self.read[key]

    def trace(self, card: DatasetCard, recipe: Recipe) -> str:
        """Digest of what trains, the losses, the weights in the end and the predictions; computed once."""
        key = (card.id, recipe.sha256)
        if key not in self.traced:
            self.traced[key] = self.traced_anew(card, recipe)
        return self.traced[key]

    def traced_anew(self, card: DatasetCard, recipe: Recipe) -> str:
        """`trace`, computed in any case."""
        context, spec, tables = self.context, CellSpec(card, recipe, 0), self.tables(card, recipe)
        cell = prepare(context, spec, tables, cell_key(context, spec, None))
        accelerator, eyes = accelerator_for("cpu", recipe.train.amp), cell.model.backbone.preprocessing
        history = []
        if recipe.regime != "none":
            data = cell.task.training_data(card, tables.train, recipe, eyes, 0)
            batches = TrainingBatches(data, recipe, 0, Rank(), cell.task.collate, 0, False)
            checkpoint = context.folder.path / "checkpoint.pt"
            checkpoint.unlink(missing_ok=True)
            history = Fit(accelerator, cell.model, recipe, 0, batches, context.log, checkpoint, "").run().history
        elif hasattr(cell.model.head, "set_reference_features"):
            cell.model.head.set_reference_features(self.predicted(accelerator, cell, tables.train))
        predicted = self.predicted(accelerator, cell, tables.test)
        return _digest([cell.model.report.sha256, history, cell.model.state_dict(), predicted])

    def predicted(self, accelerator: Any, cell: PreparedCell, tables: dict[str, Any]) -> list[Any]:
        """What is decoded for the samples of these tables."""
        data = cell.task.test_data(cell.card, tables, cell.recipe, cell.model.backbone.preprocessing, {})
        return predict(accelerator, cell.model, cell.task, data, cell.recipe, self.context.log).decoded


def _digest(value: Any) -> str:
    digest = hashlib.sha256()

    def feed(part: Any) -> None:
        if isinstance(part, torch.Tensor):
            part = part.detach().numpy()
        if isinstance(part, np.ndarray):
            digest.update(f"{part.dtype}{part.shape}".encode() + part.tobytes())
        elif isinstance(part, Mapping):
            feed(list(part.items()))
        elif isinstance(part, list | tuple):
            digest.update(b"[")
            for one in part:
                feed(one)
            digest.update(b"]")
        else:
            digest.update(repr(part).encode())

    feed(value)
    return digest.hexdigest()


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("keys")
    root = write_datasets(folder / "data", *(card.id for card in evaluated()))
    (folder / "run").mkdir()
    return Bench(RunContext(toy_backbone(), None, RunFolder(folder / "run"), RunLog(), find_data(root), device="cpu"))


Context = tuple[DatasetCard, str, str, str | None]


def contexts(task: str) -> list[Context]:
    """Datasets, suites, regimes and variants that a recipe of the task is loaded for."""
    cards = [card for card in evaluated() if card.task == task]
    variants = [None, *(name for name in files()[task].get("variant", {}) if name != "direct")]  # needs dumps
    regimes = [regime.name for regime in REGIMES if regime.suits(task_named(task))]
    return [(card, suite, regime, name) for name, suite, regime, card in product(variants, SUITES, regimes, cards)]


def recipe_for(context: Context, changed: Mapping[str, Any]) -> Recipe:
    """The recipe of a context, made small, with changes."""
    card, suite, regime, variant = context
    small = {k: v for k, v in (FAST[card.task] | SMALL.get(card.task, {})).items() if k != "train.epochs"} | QUICK
    if "train.epochs" in changed:
        del small["train.iterations"]
    recipe = load_recipe(card, regime, suite, variant, small | dict(changed))
    training_of(card).check(recipe)
    return recipe


def value_of(recipe: Recipe, section: str, name: str) -> Any:
    part = getattr(recipe, section)
    return part[name] if isinstance(part, dict) else getattr(part, name)


def words_for(task: str, name: str) -> list[str]:
    """Words that the types of recipes allow for a key of this name."""
    kinds = [kind for kind in RecipeOptions.__subclasses__() if kind.__module__.startswith(f"humanbench.tasks.{task}.")]
    kinds += [Recipe.model_fields[section].annotation for section in ENGINE]
    fields = [kind.model_fields[name].annotation for kind in kinds if name in kind.model_fields]
    entries = [entry for kind in SECTIONS.values() for entry in kind.catalogue.names() if name == "name"]
    allowed = [word for field in fields for kind in (field, *get_args(field)) for word in get_args(kind)]
    return [*entries, *(word for word in allowed if isinstance(word, str))]


def others(value: Any, words: list[str]) -> Iterator[Any]:
    """Other values of the same kind; some may not be allowed."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, str):
        yield from (word for word in words if word != value)
    elif isinstance(value, int):
        yield from (2 * value, value + 1, 1, 0, max(1, value // 2))
    elif isinstance(value, float):
        yield from (value / 2, 2 * value, 0.5, 0.0)
    elif value is None:
        yield from (*words, 1e-3, 0.5, 3)
    elif value and isinstance(value[0], str):
        yield list(value[:-1])
    elif not value:
        yield [0.5, 0.3]  # factors of milestones, of which recipes have two
    else:
        yield from ([type(one)(one * factor) for one in value] for factor in (0.5, 2, 1 / 32))


def effect(bench: Bench, places: Iterable[Context], key: Key, iterations: int = 2) -> str:
    """What another value of the key does in some of the recipes: `changes`, `nothing`, or all were `refused`."""
    dotted, tried = ".".join(key), False
    start = {"train.epochs": 1} if dotted == "train.epochs" else {"train.iterations": iterations}
    for context in places:
        try:
            recipe = recipe_for(context, start)
            value = value_of(recipe, *key)
        except (RecipeError, KeyError, AttributeError):
            continue
        for other in others(value, words_for(context[0].task, key[1])):
            try:
                changed = recipe_for(context, start | {dotted: other})
            except RecipeError:
                continue
            tried = True
            try:
                if bench.trace(context[0], changed) != bench.trace(context[0], recipe):
                    return "changes"
            except RecipeError:  # the value asks for an input that is not given
                return "changes"
    return "nothing" if tried else "refused"


def test_the_same_recipe_gives_the_same_trace(bench: Bench) -> None:
    for task in task_names():
        context = contexts(task)[0]
        recipe = recipe_for(context, {})
        assert bench.traced_anew(context[0], recipe) == bench.traced_anew(context[0], recipe)


@pytest.mark.parametrize("task", task_names())
def test_every_key_of_a_task_does_something(bench: Bench, task: str) -> None:
    task_keys = sorted(key for key in keys(task) if key[0] not in ENGINE or key[0] == "input")
    effects = {".".join(key): effect(bench, contexts(task), key) for key in task_keys}
    assert effects.pop("input.fit") in ("changes", "refused")
    assert effects == dict.fromkeys(effects, "changes")


def test_every_key_of_the_engine_does_something(bench: Bench) -> None:
    compiled = ("train", "compile")  # not the step itself; test_execution counts what is compiled
    shared = sorted(key for key in keys("attribute") - {compiled} if key[0] in ENGINE and key[0] != "input")
    both = [one for pair in zip_longest(contexts("attribute"), contexts("reid")) for one in pair if one]
    effects = {".".join(key): effect(bench, both, key, iterations=4) for key in shared}
    assert effects == dict.fromkeys(effects, "changes")
    assert effect(bench, both[:1], compiled) == "nothing"
