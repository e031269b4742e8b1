"""Recipes of pretraining: which datasets in which entries, with what weight, and how long, as data.

`protocols/pretrain/<method>.toml` holds `[default]`, `[suite.mini]` and named `[variant.NAME]`s, merged in that order
before `--set` overrides; a variant for the embedded suite alone is a `[suite.mini.variant.NAME]`. `entries_of = METHOD`
takes over the entries of another one. Entries are a table by name, so that a layer can change one number of one entry;
`every` and `group.NAME` of a layer hold what all entries, or those of a group, have in common.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from pydantic import Field, ValidationError

from humanbench.cards import DatasetCard, load_card
from humanbench.errors import RecipeError
from humanbench.hashing import document_sha256
from humanbench.optim.optimisers import OptimSection
from humanbench.optim.schedules import ScheduleSection
from humanbench.optim.sections import Section
from humanbench.paths import shipped
from humanbench.recipes import Recipe, check_options, load_recipe, merge
from humanbench.schema import Count, Fraction, NotNegative, Positive, Record, complaint
from humanbench.suites import Suite
from humanbench.tasks.registry import task_named
from humanbench.text import nearest

Method = Literal["path", "mae"]
METHODS: tuple[Method, ...] = get_args(Method)
Sharing = Literal["hierarchical", "flat", "separate"]


class PretrainingEntry(Record):
    """One source of batches with one head: a dataset, or several with a joint label space.

    A step takes `parts` batches of `batch` samples from it: the paper's GPUs, whoever computes them. `weight` is that
    of one sample; `loss_weight` what the paper's table states. Entries of a `group` (a task) share a projector, those
    that name the same `head` share that. `class_token`: the entry has a class token of its own. `set`: what differs
    from the task's recipe of full finetuning.
    """

    datasets: tuple[str, ...] = Field(min_length=1)
    group: str
    head: str = ""
    weight: Positive
    batch: int = Field(ge=1)
    parts: int = Field(default=1, ge=1)
    drop_path: Fraction = 0.0
    class_token: bool = False
    set: dict[str, Any] = {}
    note: str = ""

    @property
    def loss_weight(self) -> float:
        return self.weight * self.batch * self.parts

    @property
    def images(self) -> int:
        """Images of a step."""
        return self.batch * self.parts

    def cards(self) -> list[DatasetCard]:
        return [load_card(name) for name in self.datasets]

    @property
    def task(self) -> str:
        return self.cards()[0].task

    def recipe(self, suite: Suite) -> Recipe:
        """How its samples are made and what its head is: the task's recipe with the entry's changes."""
        return load_recipe(self.cards()[0], "full", suite, overrides=self.set)


class Projection(Record):
    """PATH's projectors. Without (`enabled = false`) heads take the last block's output after the final norm.

    `sharing`: `hierarchical` is a projector per group, `flat` one for all, `separate` one per entry.
    """

    enabled: bool = True
    sharing: Sharing = "hierarchical"
    reduction: Count = 8
    heads: Count = 2
    blocks: Count = 1
    temperature: Positive = 1.0


class Masking(Record):
    """Masked autoencoding: the share of patches that is hidden, and the decoder. `norm_pixels`: patches are predicted
    with zero mean and unit variance."""

    ratio: Fraction
    dim: Count
    depth: Count
    heads: Count
    norm_pixels: bool


class AlwaysPretrainOptim(Record):
    """Options of optimisers that every recipe of pretraining writes out and is hashed over."""

    betas: tuple[Fraction, Fraction] = (0.9, 0.999)
    clip_threshold: Positive = 1.0


class PretrainOptim(OptimSection):
    """The optimiser."""

    always = AlwaysPretrainOptim


class AlwaysPretrainSchedule(Record):
    """Options of schedules that every recipe of pretraining writes out and is hashed over."""

    milestones: tuple[Fraction, ...] = ()
    factors: tuple[NotNegative, ...] = ()
    end: Fraction = 0.0


class PretrainSchedule(ScheduleSection):
    """Learning rate over iterations."""

    always = AlwaysPretrainSchedule


SECTIONS: Mapping[str, type[Section]] = {"optim": PretrainOptim, "schedule": PretrainSchedule}
"""Sections that are typed by the entry they name."""


class PretrainRecipe(Record):
    """Everything that decides a pretraining besides the seed and the data on disk.

    `backbone`: what it starts from when no other is named. `recompute`: activations of blocks are not kept but
    computed again. `save_every`: iterations between checkpoints.
    """

    method: Method
    suite: Suite
    variant: str | None
    source: str
    notes: tuple[str, ...] = ()
    backbone: str
    seed: int
    iterations: int = Field(ge=0)
    save_every: int = Field(ge=1)
    recompute: bool
    amp: Literal["no", "bf16"]
    projector: Projection | None = None
    masking: Masking | None = None
    optim: PretrainOptim
    schedule: PretrainSchedule
    entries: dict[str, PretrainingEntry]

    @property
    def sha256(self) -> str:
        """Hash of all that the weights depend on: words, checkpoints and how memory is saved are left out."""
        left_out = {"source", "notes", "save_every", "recompute", "optim", "schedule"}
        content = self.model_dump(mode="json", exclude=left_out)
        return document_sha256(content | {"optim": self.optim.hashed(), "schedule": self.schedule.hashed()})

    @property
    def weights(self) -> dict[str, float]:
        """Share of each entry in the sum of all loss weights."""
        total = sum(entry.loss_weight for entry in self.entries.values())
        return {name: entry.loss_weight / total for name, entry in self.entries.items()}

    @property
    def datasets(self) -> list[DatasetCard]:
        """The datasets of all entries, each once."""
        return list({card.id: card for entry in self.entries.values() for card in entry.cards()}.values())

    def only(self, names: Sequence[str]) -> PretrainRecipe:
        """The recipe with these datasets alone; entries that lose all of theirs are gone."""
        entries = {}
        for name, entry in self.entries.items():
            left = tuple(dataset for dataset in entry.datasets if dataset in names)
            if left:
                entries[name] = entry.model_copy(update={"datasets": left})
        if not entries:
            raise RecipeError("no dataset of the pretraining is left")
        return self.model_copy(update={"entries": entries})


def load_pretrain_recipe(
    method: str, suite: Suite = "humanbench-v1", variant: str | None = None, overrides: Mapping[str, Any] | None = None
) -> PretrainRecipe:
    """The recipe of a method; `overrides` are dotted keys (`optim.lr`, `entries.pose_coco.batch`, `every.batch`).

    Raises `RecipeError` for an unknown method, variant or key, and for a value of the wrong type.
    """
    if method not in METHODS:
        raise RecipeError(f"no method is called {method!r}{nearest(method, list(METHODS))} ({', '.join(METHODS)})")
    tables = _tables(method)
    layers = [tables["default"]]
    if "entries_of" in tables:
        other = _tables(tables["entries_of"])["default"]
        layers.insert(0, {name: other[name] for name in ("group", "entries")})
    known = tables.get("variant", {})
    embedded = dict(tables.get("suite", {}).get("mini", {}))
    of_embedded = embedded.pop("variant", {})
    if suite == "mini":
        layers.append(embedded)
        known = known | of_embedded
    if variant is not None:
        if variant in of_embedded and variant not in known:
            raise RecipeError(f"the variant {variant!r} of {method} is one of the embedded suite: give --suite mini")
        if variant not in known:
            raise RecipeError(f"{method} has no variant {variant!r}{nearest(variant, list(known))}")
        layers.append(known[variant])
    layers += [_nested(layers[0], key, value) for key, value in (overrides or {}).items()]
    merged: dict[str, Any] = {}
    for layer in layers:
        below = {name: kind.below(merged.get(name, {}), layer.get(name, {})) for name, kind in SECTIONS.items()}
        merged = merge(merged | below, _spread(merged, layer))
    recipe = _validated(merged | {"method": method, "suite": suite, "variant": variant})
    check_options(overrides or {}, optim=recipe.optim, schedule=recipe.schedule)
    return recipe


def _tables(method: str) -> dict[str, Any]:
    return tomllib.loads((shipped("protocols") / "pretrain" / f"{method}.toml").read_text(encoding="utf-8"))


def _spread(below: Mapping[str, Any], layer: Mapping[str, Any]) -> dict[str, Any]:
    """The layer with `every` and `group` written out into the entries they are for."""
    out = {key: value for key, value in layer.items() if key not in ("every", "group", "entries")}
    named = layer.get("entries", {})
    out["entries"] = {}
    for name in {**below.get("entries", {}), **named}:
        entry = merge(below.get("entries", {}).get(name, {}), named.get(name, {}))
        common = merge(layer.get("every", {}), layer.get("group", {}).get(entry.get("group", ""), {}))
        out["entries"][name] = merge(common, named.get(name, {}))
    return out


def _nested(default: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    parts = key.split(".")
    known = [*PretrainRecipe.model_fields, "every", "group"]
    if parts[0] not in known or parts[0] in ("method", "suite", "variant", "source"):
        raise RecipeError(f"--set {key}: no such key{nearest(parts[0], known)} (keys: {', '.join(sorted(known))})")
    places = {"entries": default["entries"], "group": {e["group"]: 0 for e in default["entries"].values()}}
    if parts[0] in places and (len(parts) < 3 or parts[1] not in places[parts[0]]):
        names = list(places[parts[0]])
        hint = nearest(parts[1], names) if len(parts) > 1 else ""
        raise RecipeError(f"--set {key}: give {parts[0]}.NAME.KEY{hint} (names: {', '.join(names)})")
    split = parts.index("set") + 1 if "set" in parts else len(parts)  # a task's own key holds dots
    path = [*parts[:split], *([".".join(parts[split:])] if split < len(parts) else [])]
    for part in reversed(path):
        value = {part: value}
    return dict(value)


def _validated(merged: dict[str, Any]) -> PretrainRecipe:
    try:
        recipe = PretrainRecipe.model_validate(merged)
    except ValidationError as error:
        raise RecipeError(f"pretraining recipe: {complaint(error)}") from error
    for name, entry in recipe.entries.items():
        tasks = {card.task for card in entry.cards()}
        if len(tasks) > 1:
            raise RecipeError(f"pretraining recipe: the datasets of {name} are of different tasks: {sorted(tasks)}")
        if len(entry.datasets) > 1 and not task_named(entry.task).joint_labels:
            raise RecipeError(f"pretraining recipe: {name}: {entry.task} datasets have no joint label space")
    if (recipe.method == "path") == (recipe.projector is None) or (recipe.method == "mae") == (recipe.masking is None):
        raise RecipeError("pretraining recipe: path has a projector table, mae a masking table")
    return recipe
