"""Recipes: how a backbone is finetuned and tested on a dataset, as data.

`protocols/<task>.toml` holds the tables of a task. They are merged from the general to the particular:

    [default]                          what holds for the task
    [regime.partial]                   what a regime changes
    [dataset.pa100k]                   what a dataset changes
    [dataset.pa100k.regime.partial]    what a regime changes for that dataset
    [variant.NAME]                     a named deviation (`only` = the datasets it is for, `regimes` or `without` the
                                       regimes), applied when asked for, with what it changes in a regime
                                       ([variant.NAME.regime.head]); the names of `protocols/execution.toml` are
                                       variants of every task, too
    [heads]                            `--head NAME`: which are the task's `own`, which its own where nothing is
                                       trained (`untrained`), and which are variants (`others`)
    [suite.mini]                       what the embedded suite and small subsets change ([suite.mini.dataset.ID] too)

then come `--set key=value` overrides. `source` says where the numbers come from: "released" (the authors' configuration
files), "paper", or "ours". Every recipe has a hash over its content; results carry it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, Field, SerializerFunctionWrapHandler, ValidationError, model_serializer

from humanbench.cards import DatasetCard
from humanbench.documents import from_toml
from humanbench.errors import RecipeError
from humanbench.execution import changes, execution_modes
from humanbench.hashing import document_sha256
from humanbench.optim.optimisers import OptimSection
from humanbench.optim.schedules import ScheduleSection
from humanbench.optim.sections import Section
from humanbench.paths import shipped
from humanbench.regimes import REGIMES, Freezing
from humanbench.regimes.record import OPTIONS_OF
from humanbench.schema import Count, Fraction, NotNegative, Positive, Record, complaint, location, unknown_key
from humanbench.suites import Suite
from humanbench.tasks.registry import task_named, task_names
from humanbench.text import nearest

Library = Literal["pillow", "opencv"]
"""Of a recipe, `input.library`."""

DIRECT = "direct"
"""The variant of `none` that tests the projector and the head of a pretraining's dumps."""


class Input(Record):
    """What enters the network.

    fit: `stretch` to `size`; `box` = the affine window of a person's box (top-down pose) at `size`; `short_side` =
    resize so that the shorter side is `size[0]` and the longer at most `size[1]`; `as_is` = the picture's own size, at
    most `size`.
    library: what warps and resizes pictures (`humanbench.data.rasters`); the shipped numbers were made with Pillow.
    """

    fit: Literal["stretch", "box", "short_side", "as_is"]
    size: tuple[Count, Count]  # height, width (short_side: shorter, longest)
    library: Library = "pillow"

    @model_serializer(mode="wrap")
    def _as_before(self, content: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without the library that all recipes had before there was a choice: hashes and records stay as they are."""
        return {name: value for name, value in content(self).items() if (name, value) != ("library", "pillow")}


class AlwaysOptim(Record):
    """Options of optimisers that every recipe writes out and is hashed over."""

    momentum: Fraction = 0.0
    betas: tuple[Fraction, Fraction] = (0.9, 0.999)


class Optim(OptimSection):
    """The optimiser. `clip` is the largest gradient norm, over `clip_of` parameters."""

    always = AlwaysOptim
    head_weight_decay: NotNegative | None = None  # None: as the backbone
    backbone_scale: Positive = 1.0
    clip: Positive | None = None
    clip_of: Literal["all", "backbone"] = "all"


class AlwaysSchedule(Record):
    """Options of schedules that every recipe writes out and is hashed over."""

    milestones: tuple[Fraction, ...] = ()
    gamma: Fraction = 0.1
    end: Fraction = 0.0


class Schedule(ScheduleSection):
    """Learning rate over iterations."""

    always = AlwaysSchedule


SECTIONS: Mapping[str, type[Section]] = {"optim": Optim, "schedule": Schedule}
"""Sections that are typed by the entry they name."""


class Train(Record):
    """How long, in what portions. One of `epochs` and `iterations` counts; `batch_size` is over all processes.

    `accumulate` batches make one optimiser step, with the mean of their gradients; `iterations` are optimiser steps.
    `views`: with a frozen trunk, the number of fixed augmentations per sample whose trunk outputs are cached; 0 draws
    a new augmentation every epoch (no cache). `ema`: decay of averaged weights that are tested instead, 0 = none.
    `amp`: the precision of products (docs/execution.md). `compile`: the backbone is compiled.
    `on`: ids of the datasets whose training splits are used, instead of the tested dataset's own: one that has none, or
    several at once. Their tables are told apart by `attrs["dataset"]`, so any distinct keys do (`market1501/train`).
    """

    on: tuple[str, ...] = ()
    epochs: Count | None = None
    iterations: Count | None = None
    batch_size: Count
    accumulate: Count = 1
    drop_path: Fraction = 0.0
    views: int = Field(default=0, ge=0)
    ema: Fraction = 0.0
    amp: Literal["no", "tf32", "bf16", "fp16"] = "no"
    compile: bool = False


class Recipe(Record):
    """Everything that decides a finetuning run besides backbone, dataset and seed.

    `augment`, `head`, `loss` and `test` are the task's own sections, typed by its option classes.
    """

    task: str
    suite: str
    regime: Annotated[str, AfterValidator(REGIMES.checked)]
    variant: str | None
    source: str
    notes: tuple[str, ...] = ()
    input: Input
    freezing: Freezing = Freezing()
    augment: dict[str, Any] = {}
    head: dict[str, Any] = {}
    loss: dict[str, Any] = {}
    test: dict[str, Any] = {}
    optim: Optim
    schedule: Schedule
    train: Train

    @property
    def inputs(self) -> tuple[str, ...]:
        """Files that the test needs besides the dataset: the `boxes` of a detector."""
        return ("boxes",) if self.test.get("boxes") == "detections" else ()

    @property
    def sha256(self) -> str:
        """Hash of the recipe's content."""
        content = self.model_dump(mode="json", exclude={"notes", "freezing", "optim", "schedule"})
        if not self.train.compile:  # recipes from before there was this
            del content["train"]["compile"]
        sections = {"optim": self.optim.hashed(), "schedule": self.schedule.hashed()}
        return document_sha256(content | sections | {"freezing": self.freezing.said(self.regime)})

    @property
    def fits(self) -> bool:
        """Whether the cell is trained at all."""
        return REGIMES[self.regime].fits


@lru_cache(maxsize=16)
def _tables(task: str) -> dict[str, Any]:
    path = task_named(task).recipes or shipped("protocols") / f"{task}.toml"
    if not path.is_file():
        raise RecipeError(f"there are no recipes for the task {task!r} ({path} is missing)")
    tables = from_toml(path.read_text(encoding="utf-8"))
    _check_regimes(tables, path.name)
    return tables


def _check_regimes(tables: Mapping[str, Any], where: str) -> None:
    """`RecipeError` for a table of a regime that does not exist, at whatever depth: it would never be looked up."""
    for regime in tables.get("regime", {}):
        if regime not in REGIMES:
            names = REGIMES.names()
            raise RecipeError(
                f"{where}: [regime.{regime}]: no such regime{nearest(regime, names)} ({', '.join(names)})"
            )
    for kind in ("dataset", "suite", "variant"):
        for name, table in tables.get(kind, {}).items():
            _check_regimes(table, f"{where}: {kind} {name}")


def variants(task: str) -> dict[str, tuple[str, ...]]:
    """Named variants of a task's recipes, and the datasets each is for (empty: all)."""
    return {name: tuple(table.get("only", ())) for name, table in _tables(task).get("variant", {}).items()}


def load_recipe(
    card: DatasetCard,
    regime: str,
    suite: Suite = "humanbench-v1",
    variant: str | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Recipe:
    """The recipe of a dataset in a regime; `overrides` are dotted keys with values (see `parse_override`).

    Raises `RecipeError` for an unknown variant, an unknown key or a value of the wrong type.
    """
    tables = _tables(card.task)
    layers = [tables["default"], tables.get("regime", {}).get(regime, {})]
    layers += _in_regime(tables.get("dataset", {}).get(card.id, {}), regime)
    if suite == "mini":
        mini = tables.get("suite", {}).get("mini", {})
        layers += [*_in_regime(mini, regime), *_in_regime(mini.get("dataset", {}).get(card.id, {}), regime)]
    if variant is not None:
        layers += _variant(card, tables, variant, regime)
    merged: dict[str, Any] = {}
    for layer in layers:
        merged = _layered(merged, {key: value for key, value in layer.items() if key not in _NO_SECTIONS})
    for key, value in (overrides or {}).items():
        merged = _layered(merged, _nested(card, merged, key, value))
    if regime in REGIMES and not REGIMES[regime].in_paper:
        merged["source"] = "ours"  # nothing of it was released, whatever the task's defaults are from
    recipe = _validated(card, merged | {"task": card.task, "suite": suite, "regime": regime, "variant": variant})
    check_options(overrides or {}, optim=recipe.optim, schedule=recipe.schedule)
    check_freezing(overrides or {}, regime)
    return recipe


def check_freezing(overrides: Iterable[str], regime: str) -> None:
    """`RecipeError` for an overridden key that another regime reads: it would do nothing."""
    for other, options in OPTIONS_OF.items():
        for option in options:
            if other != regime and f"freezing.{option}" in overrides:
                raise RecipeError(f"--set freezing.{option}: is of the regime {other}; the regime here is {regime}")


def check_options(overrides: Iterable[str], **sections: Section) -> None:
    """`RecipeError` for an overridden option that the optimiser or schedule does not take: it would do nothing."""
    for override in overrides:
        section, _, key = override.partition(".")
        if section in sections:
            sections[section].check_key(key, f"--set {override}")


_NO_SECTIONS = ("regime", "dataset", "only", "regimes", "without")
"""Keys of a table that say when it, or another table in it, holds."""


def _in_regime(table: dict[str, Any], regime: str) -> list[dict[str, Any]]:
    """What a table changes, and what it changes in a regime."""
    return [table, table.get("regime", {}).get(regime, {})]


def head_variant(task: str, regime: str, head: str) -> str | None:
    """The variant of a task's recipes that `--head` names; None where it names what the recipes have anyway.

    Raises `RecipeError` for a head that the task has not.
    """
    heads = _tables(task).get("heads")
    if heads is None:
        having = [name for name in task_names() if "heads" in _tables(name)]
        raise RecipeError(f"--head {head}: {task} has one head; tasks with several are {', '.join(having)} (--task)")
    untrained = heads.get("untrained", [])
    known = [*heads["own"], *untrained, *heads["others"]]
    if head not in known:
        raise RecipeError(f"--head {head}: {task} has no such head{nearest(head, known)} ({', '.join(known)})")
    if head in heads["others"]:
        if regime not in (fitting := _fitting(_tables(task)["variant"][head])):
            raise RecipeError(f"--head {head}: is for --protocol {' or '.join(fitting)}; the protocol here is {regime}")
        return head
    if head in untrained and REGIMES[regime].fits:
        raise RecipeError(f"--head {head}: trains nothing, so it is of --protocol none; the protocol here is {regime}")
    if untrained and head not in untrained and not REGIMES[regime].fits:
        answers = " or ".join(untrained)
        raise RecipeError(
            f"--head {head}: is trained, and --protocol {regime} trains nothing; give {answers} or another"
        )
    return None


def tasks_for_head(head: str, regime: str) -> list[str]:
    """The tasks that can be finetuned in a regime with this head."""

    def fits(task: str) -> bool:
        try:
            head_variant(task, regime, head)
        except RecipeError:
            return False
        return True

    return [name for name in task_names() if fits(name)]


class NamedVariant(NamedTuple):
    """Which variant of the recipes is asked for, by its name or by that of a head."""

    variant: str | None = None
    head: str | None = None

    def variant_of(self, card: DatasetCard, regime: str) -> str | None:
        """The variant for a dataset; None for the recipe itself."""
        return self.variant if self.head is None else head_variant(card.task, regime, self.head)


def _variant(card: DatasetCard, tables: Mapping[str, Any], variant: str, regime: str) -> list[dict[str, Any]]:
    """What a variant changes, and what it changes in this regime."""
    known = tables.get("variant", {})
    if variant not in known and variant in execution_modes():
        settings = ((key.partition("."), value) for key, value in changes((variant,)).items())
        return [{section: {name: value}} for (section, _, name), value in settings]
    if variant not in known:
        raise RecipeError(f"{card.task} has no recipe variant {variant!r}{nearest(variant, list(known))}")
    only = known[variant].get("only", ())
    if only and card.id not in only:
        raise RecipeError(f"the recipe variant {variant!r} is for {', '.join(only)}, not for {card.id}")
    table = known[variant]
    fitting = _fitting(table)
    if regime not in fitting:
        raise RecipeError(
            f"the recipe variant {variant!r} of {card.task} is for the protocols {', '.join(fitting)}, not for {regime}"
        )
    return _in_regime(table, regime)


def _fitting(variant: Mapping[str, Any]) -> list[str]:
    """The regimes that a variant is for."""
    return [name for name in variant.get("regimes", REGIMES.names()) if name not in variant.get("without", ())]


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` on top of `base`, table by table; other values replace.

    >>> merge({"optim": {"lr": 1, "name": "sgd"}}, {"optim": {"lr": 2}})
    {'optim': {'lr': 2, 'name': 'sgd'}}
    """
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def _layered(base: Mapping[str, Any], layer: Mapping[str, Any]) -> dict[str, Any]:
    """`merge`, except that a length of training replaces one that is given in the other unit, and an optimiser or a
    schedule the options of the one before."""
    lengths = ("epochs", "iterations")
    train = base.get("train", {})
    if any(name in layer.get("train", {}) for name in lengths):
        train = {key: value for key, value in train.items() if key not in lengths}
    below = {name: kind.below(base.get(name, {}), layer.get(name, {})) for name, kind in SECTIONS.items()}
    return merge({**base, **below, "train": train}, layer)


def parse_override(text: str, option: str = "--set", example: str = "optim.lr=1e-4") -> tuple[str, Any]:
    """`optim.lr=1e-4` as key and typed value (a TOML value; bare words are strings).

    >>> parse_override("optim.lr=1e-4"), parse_override("optim.name=sgd")
    (('optim.lr', 0.0001), ('optim.name', 'sgd'))
    """
    key, sign, value = text.partition("=")
    if not sign or not key.strip():
        raise RecipeError(f"{option} takes KEY=VALUE, like {example}; found {text!r}")
    try:
        return key.strip(), from_toml(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value.strip()


def _nested(card: DatasetCard, merged: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    section, _, rest = key.partition(".")
    sections = ("input", "freezing", "augment", "head", "loss", "test", "optim", "schedule", "train")
    if section in sections and not rest:
        raise RecipeError(f"--set {key}: is a section; give {section}.KEY=VALUE")
    if section not in sections:
        raise RecipeError(
            f"--set {key}: no such key{nearest(section, list(sections))} (sections: {', '.join(sections)})"
        )
    if section in ("augment", "head", "loss", "test") and rest not in merged.get(section, {}):
        known = list(merged.get(section, {}))
        raise RecipeError(f"--set {key}: {card.task} recipes have no such key{nearest(rest, known)} in {section}")
    return {section: {rest: value}}


def _validated(card: DatasetCard, merged: dict[str, Any]) -> Recipe:
    try:
        recipe = Recipe.model_validate(merged)
    except ValidationError as error:
        section = Recipe.model_fields.get(location(error).partition(".")[0])
        hint = unknown_key(error, section.annotation if section else Recipe)
        if hint:
            raise RecipeError(f"recipe of {card.id}: {location(error)}: no such key{hint}") from error
        raise RecipeError(f"recipe of {card.id}: {complaint(error)}") from error
    if (recipe.train.epochs is None) == (recipe.train.iterations is None):
        raise RecipeError(f"recipe of {card.id}: train needs epochs or iterations, one of the two")
    return recipe
