"""Dataset cards: what each dataset is, as data.

A card is one TOML file under `datasets/`. Adding a dataset is adding a card (and a reader function when its on-disk
format is new); no code lists dataset names. Third parties add cards with entry points of the group
`humanbench.datasets`, each naming a function that returns the path of a TOML file.
"""

from __future__ import annotations

import fnmatch
import importlib
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, ValidationError, model_validator

from humanbench.documents import from_toml
from humanbench.errors import CardError, HumanbenchError
from humanbench.paths import shipped
from humanbench.schema import Record, problem
from humanbench.text import nearest

Scenario = Literal["in-dataset", "out-of-dataset", "unseen-task", "undisclosed"]
SCENARIOS: tuple[Scenario, ...] = get_args(Scenario)
Collection = Literal["full", "subset"]
ReadFrom = Literal["real files", "documented form"]

Count = Annotated[int, Field(ge=0)]
Pair = tuple[int, int]


class Paper(Record):
    """The publication that introduced the dataset."""

    title: str
    year: int
    venue: str
    url: str = ""


class RemoteFile(Record):
    """A file of a dataset and its address; lengths and sums that no source states are absent, never guessed.

    `to` is its place below the dataset's folder; with `unpack` it is an archive, unpacked in the folder of that place.
    `source` says where address, length and sums are known from.
    """

    to: str = Field(pattern=r"^[^/\\\x00]+(/[^/\\\x00]+)*$")
    url: str = Field(pattern=r"^(https?|file)://\S+$")
    bytes: Count | None = None
    sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    md5: str = Field(default="", pattern=r"^([0-9a-f]{32})?$")
    unpack: bool = False
    source: str = ""

    @model_validator(mode="after")
    def _stays_below(self) -> RemoteFile:
        if {".", ".."} & set(self.to.split("/")):
            raise ValueError("to must lie below the dataset's folder")
        return self


class Access(Record):
    """How a person gets the data: in words, and files whose addresses are known; `whole` where those are all."""

    kind: Literal["open", "form", "agreement", "withdrawn"]
    how: str
    size: str = ""
    files: tuple[RemoteFile, ...] = ()
    whole: bool = False

    @model_validator(mode="after")
    def _files_are_open(self) -> Access:
        if self.files and self.kind != "open":
            raise ValueError("files are of open datasets alone")
        if any(file.url.startswith("file:") for file in self.files):
            raise ValueError("the url of a file begins with https:// or http://")
        return self


class Reader(Record):
    """Which on-disk format the dataset has.

    `read_from` says what the reader of this dataset was tried on: real files of it, or files made after the documented
    form alone. `format` names a module in `humanbench.data.readers` (or a plug-in's `package.module`); `options` are
    that format's own settings; `roots` are the folder names, relative to the dataset's folder under the data root, at
    which the archive's top level may be found ("." is the dataset's folder itself); `tree` is the layout for people.
    """

    format: str
    roots: tuple[str, ...] = (".",)
    options: dict[str, Any] = {}
    read_from: ReadFrom = "documented form"
    tree: str


class Split(Record):
    """Expected content of one split. A count that no source states is absent, never guessed.

    `samples` is the number of rows of the sample table (persons for pose, images otherwise). In detection `boxes` is
    the number of all boxes, `ignore` of those to ignore, `persons` of the others. `unsure` names the counts that are
    not settled. `labels` is `withheld` when a server keeps them: then `note` says who and what to use instead.
    """

    samples: Count | None = None
    images: Count | None = None
    persons: Count | None = None
    identities: Count | None = None
    cameras: Count | None = None
    boxes: Count | None = None
    ignore: Count | None = None
    points: Count | None = None
    labels: Literal["public", "withheld", "pseudo"] = "public"
    note: str = ""
    unsure: tuple[str, ...] = ()

    def counts(self) -> dict[str, int]:
        """The stated counts by name."""
        return {name: value for name, value in self if isinstance(value, int)}


class Labels(Record):
    """Label vocabulary in canonical order. Which fields are filled depends on the task.

    `flip_pairs` are indices that change places under a horizontal flip (keypoints, part classes or attributes).
    `ids` maps class index -> the value stored on disk, where the two differ. `sigmas` are OKS sigmas per keypoint.
    `groups` of attributes: exactly one of each group's names holds for a person. `colors` may give a drawing colour
    per class as `#rrggbb`.
    """

    keypoints: tuple[str, ...] = ()
    skeleton: tuple[Pair, ...] = ()
    sigmas: tuple[float, ...] = ()
    upper_body: tuple[int, ...] = ()
    lower_body: tuple[int, ...] = ()
    joint_weights: tuple[float, ...] = ()
    classes: tuple[str, ...] = ()
    ids: tuple[int, ...] = ()
    attributes: tuple[str, ...] = ()
    groups: dict[str, tuple[str, ...]] = {}
    flip_pairs: tuple[Pair, ...] = ()
    note: str = ""

    @model_validator(mode="after")
    def _consistent(self) -> Labels:
        n = len(self.keypoints) or len(self.classes) or len(self.attributes)
        for name in ("keypoints", "classes", "attributes"):
            values = getattr(self, name)
            if len(set(values)) != len(values):
                raise ValueError(f"{name} holds a name twice")
        for name in ("sigmas", "joint_weights"):
            if getattr(self, name) and len(getattr(self, name)) != len(self.keypoints):
                raise ValueError(f"{name} must have one value per keypoint")
        if self.ids and len(self.ids) != len(self.classes):
            raise ValueError("ids must have one value per class")
        flipped = [i for pair in self.flip_pairs for i in pair]
        if len(set(flipped)) != len(flipped):
            raise ValueError("flip_pairs name an index twice")
        indices = [*flipped, *self.upper_body, *self.lower_body, *(i for bone in self.skeleton for i in bone)]
        if any(not 0 <= i < n for i in indices):
            raise ValueError(f"an index of flip_pairs, skeleton, upper_body or lower_body is outside 0..{n - 1}")
        return self


class Evaluation(Record):
    """How the benchmark evaluates the dataset; absent for datasets used in pretraining only.

    `train` and `test` name splits. `main` is the headline metric, `report` all that are shown (main first).
    """

    train: tuple[str, ...]
    test: tuple[str, ...]
    main: str
    report: tuple[str, ...]
    definition: str
    options: dict[str, Any] = {}

    @model_validator(mode="after")
    def _main_is_reported(self) -> Evaluation:
        if not self.report or self.report[0] != self.main:
            raise ValueError("report must start with the main metric")
        return self


class Subgroups(Record):
    """Groups of test units that the labels tell apart, for metrics by group.

    `by` grouping and group: an attribute that its members have, or, after `not `, have not. `forbidden`: why no metrics
    by group are computed on the dataset at all: what its licence or terms say, with their place.
    """

    by: dict[str, dict[str, str]] = {}
    forbidden: str = ""


class Pretraining(Record):
    """Use in the paper's pretraining collections: `images` is the paper's count (its table 6).

    `released_order`: the columns of the released code's attribute head, as indices of `labels.attributes`.
    """

    images: Count
    counts: str
    full: bool = True
    subset: bool = False
    splits: tuple[str, ...] = ("train",)
    released_order: tuple[int, ...] = ()


class Known(Record):
    """A recognised content fingerprint (see `humanbench.data.verify`)."""

    release: str
    fingerprint: str
    of: Literal["labels", "file"] = "labels"
    file: str = ""


class DatasetCard(Record):
    """Everything known about a dataset; docs/extending.md says how one is written.

    `short` heads the dataset's column in a table, where the task is named above it.
    """

    id: str = Field(pattern=r"^[a-z0-9_]+$")
    name: str
    short: str = ""
    task: str
    paper: Paper
    homepage: str
    licence: str
    access: Access
    reader: Reader
    splits: dict[str, Split]
    labels: Labels = Labels()
    evaluation: Evaluation | None = None
    pretraining: Pretraining | None = None
    subgroups: Subgroups = Subgroups()
    known: tuple[Known, ...] = ()
    consent: str = ""
    notes: tuple[str, ...] = ()
    unsure: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _splits_exist(self) -> DatasetCard:
        used: list[str] = []
        if self.evaluation:
            used += [*self.evaluation.train, *self.evaluation.test]
        if self.pretraining:
            used += self.pretraining.splits
        missing = sorted(set(used) - set(self.splits))
        if missing:
            raise ValueError(f"splits {missing} are used but not described")
        named = [name for groups in self.subgroups.by.values() for name in groups.values()]
        unknown = sorted({name.removeprefix("not ") for name in named} - set(self.labels.attributes))
        if unknown:
            raise ValueError(f"subgroups name attributes that labels.attributes has not: {', '.join(unknown)}")
        if not (self.evaluation or self.pretraining):
            raise ValueError("a card needs an [evaluation] or a [pretraining] table")
        return self

    def split(self, name: str) -> Split:
        """The named split, or a `CardError` that lists the ones there are."""
        if name not in self.splits:
            known = list(self.splits)
            raise CardError(f"{self.id} has no split {name!r}; it has {', '.join(known)}{nearest(name, known)}")
        return self.splits[name]


CHECKS = ("humanbench.tasks.registry:check_evaluation", "humanbench.data.readers:check_options")
"""Functions that hold a card against what lies above this module; each raises a `CardError`."""


def parse_card(path: Path) -> DatasetCard:
    """Read one card; a malformed one is a `CardError` naming the file and the key."""
    try:
        card = DatasetCard.model_validate(from_toml(path.read_text(encoding="utf-8")))
    except tomllib.TOMLDecodeError as error:
        raise CardError(f"{path}: not valid TOML: {error}") from error
    except ValidationError as error:
        raise CardError(f"{path}: {problem(error, 'card')}") from error
    for check in CHECKS:
        module, _, function = check.partition(":")
        try:
            getattr(importlib.import_module(module), function)(card)
        except HumanbenchError as error:
            raise CardError(f"{path}: {error}") from error
    return card


def _card_files() -> Iterator[Path]:
    from importlib.metadata import entry_points

    yield from sorted(shipped("datasets").glob("*.toml"))
    for point in entry_points(group="humanbench.datasets"):
        yield Path(point.load()())


_parsed = lru_cache(maxsize=None)(parse_card)


@lru_cache(maxsize=1)
def cards() -> dict[str, DatasetCard]:
    """All cards by id, in alphabetical order."""
    parsed = [_parsed(path) for path in _card_files()]
    return {card.id: card for card in sorted(parsed, key=lambda c: c.id)}


@cache
def _alone(name: str) -> DatasetCard | None:
    """The card in the one file that is called like it, without reading the others; None where that is not the card."""
    files = [path for path in _card_files() if path.stem == name]
    card = _parsed(files[0]) if len(files) == 1 else None
    return card if card is not None and card.id == name else None


def forget() -> None:
    """Read the cards anew when they are asked for next: a package that brings some came or went."""
    for cached in (_parsed, _alone, cards):
        cached.cache_clear()


def load_card(name: str) -> DatasetCard:
    """The card of a dataset; a `CardError` with the nearest names when there is none.

    Args:
        name: The id of a dataset.
    """
    if (card := find_card(name)) is None:
        raise CardError(f"no dataset is called {name!r}{nearest(name, list(cards()))} (see `humanbench datasets list`)")
    return card


def find_card(name: str) -> DatasetCard | None:
    """The card of a dataset, or None when there is none; the others are not read for it."""
    if not cards.cache_info().currsize and (card := _alone(name)) is not None:
        return card
    return cards().get(name)


def check_dataset(name: str, where: str) -> None:
    """`CardError` that begins with `where`, unless a dataset has this id."""
    if find_card(name) is None:
        raise CardError(f"{where}: no dataset is called {name!r}{nearest(name, list(cards()))}")


def select_cards(patterns: Iterable[str] = (), task: str | None = None) -> list[DatasetCard]:
    """Cards matching any of the ids or wildcards (`market*`), all when none is given, optionally of one task."""
    wanted = list(patterns)
    chosen: dict[str, DatasetCard] = {}
    for pattern in wanted or ["*"]:
        if any(c in pattern for c in "*?["):
            hits = fnmatch.filter(cards(), pattern)
            if not hits:
                raise CardError(f"no dataset matches {pattern!r} (see `humanbench datasets list`)")
        else:
            hits = [load_card(pattern).id]
        chosen.update({i: cards()[i] for i in hits})
    return [c for c in chosen.values() if task is None or c.task == task]


def collection(name: Collection) -> list[DatasetCard]:
    """The paper's pretraining collections: `full` (37 datasets) or `subset` (15)."""
    return [c for c in cards().values() if c.pretraining and getattr(c.pretraining, name)]


def evaluated() -> list[DatasetCard]:
    """The datasets of the evaluation."""
    return [c for c in cards().values() if c.evaluation]


def pretraining_names(given: str | Iterable[str], where: str = "--pretrained-on") -> tuple[str, ...] | None:
    """What somebody says that a backbone has seen, for `scenario`: names (in a text with commas), `nothing`, or
    `undisclosed`, which is None.

    Other sets than those of the registry may be named; a misspelt one of the registry is a `CardError`.
    """
    listed = given.split(",") if isinstance(given, str) else given
    names = [name.strip() for name in listed if name.strip()]
    if isinstance(given, str) and not names:
        raise CardError(f"{where} '': name what the backbone has seen, or say undisclosed, or nothing")
    for word in ("undisclosed", "nothing"):
        if word in names and len(names) > 1:
            raise CardError(f"{where} {','.join(names)}: {word} stands alone")
    for name in names:
        hint = nearest(name, list(cards()), 0.8)
        if name not in cards() and hint:
            raise CardError(f"{where} {name}: no dataset has this id{hint}")
    return None if names == ["undisclosed"] else () if names == ["nothing"] else tuple(names)


def scenario(card: DatasetCard, pretrained_on: Iterable[str] | None) -> Scenario:
    """Which evaluation scenario a dataset is for a backbone pretrained on these dataset ids.

    in-dataset: the dataset was in the pretraining; out-of-dataset: only its task was; unseen-task: neither was;
    undisclosed: nobody says what the backbone was pretrained on (`None`).
    """
    if pretrained_on is None:
        return "undisclosed"
    ids = set(pretrained_on)
    if card.id in ids:
        return "in-dataset"
    tasks = {known.task for known in map(find_card, ids) if known is not None}
    return "out-of-dataset" if card.task in tasks else "unseen-task"
