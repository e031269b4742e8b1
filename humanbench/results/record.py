"""A result: one JSON file per cell and run, never changed afterwards, with everything needed to doubt or repeat it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from humanbench.data.corruptions import corruption_of
from humanbench.data.few_labels import FewLabels
from humanbench.errors import HumanbenchError
from humanbench.leftovers import files_in, not_a_file
from humanbench.schema import Record, Seed, problem
from humanbench.scoring import Metric, Reliability
from humanbench.text import CONTROL

SCHEMA_VERSION = 6

FOLDER = "results"
"""Folder of a run that holds its results."""

Document = dict[str, Any]
_MIGRATIONS: dict[int, Callable[[Document], Document]] = {
    1: lambda document: document,  # 2 added `cost`, which may be absent
    2: lambda document: document,  # 3 added `reliability`, which may be absent
    3: lambda document: document,  # 4 added `fraction` and `draw` of a cell and `trained_on`, which may be absent
    4: lambda document: document,  # 5 added `corruption` of a cell, which may be absent
    5: lambda document: document,  # 6 added `storage`, `peak_memory` and `joules_per_image`, which may be absent
}
"""For each older version, the function that turns its documents into the next version's."""


Number = Annotated[int, Field(ge=0, le=10**13)]
"""How many there are of something: parameters, epochs, iterations, bytes."""

Speed = Annotated[float, Field(ge=0, le=1e9)]
"""Seconds, or images per second, or joules per image."""

FORWARD = "forward_"
"""How the names of measures begin that were taken on forwards of backbone and head: `forward_32_fp32`."""

Side = Annotated[int, Field(ge=1, le=100_000)]
"""Pixels."""


class ResultError(HumanbenchError):
    """A results file or folder that is absent or not what it should be."""


class Cell(Record):
    """What a result is about. `id` is the hash of the content: of two runs with one id, one is enough.

    `data_sha256` covers labels and pictures, `architecture` the network's structure, `inputs` the declared files of
    the protocol (name to SHA-256), `humanbench` the major version. `fraction`, `draw`: which list of the training data
    it was trained on; None for all of it. `corruption`: what the test pictures were shown through; None for nothing.
    """

    id: str
    dataset: str
    data_sha256: str
    weights_sha256: str
    architecture: str
    recipe_sha256: str
    seed: Seed
    subset: str | None
    inputs: dict[str, str]
    humanbench: str
    fraction: float | None = None
    draw: int | None = None
    corruption: str | None = None

    @model_validator(mode="after")
    def _check_condition(self) -> Cell:
        if (self.fraction is None) != (self.draw is None):
            raise ValueError("fraction and draw go together")
        try:
            if self.fraction is not None:
                FewLabels(self.fraction, self.draw or 0)
            if self.corruption is not None:
                corruption_of(self.corruption)
        except HumanbenchError as error:
            raise ValueError(str(error)) from error
        return self

    @property
    def content(self) -> Document:
        """What `id` is the hash of; what is None in most cells and was added later is no part of theirs."""
        content = self.model_dump(exclude={"id"})
        return {name: value for name, value in content.items() if value is not None or name not in _ADDED}


_ADDED = ("fraction", "draw", "corruption")


class TrainingPart(Record):
    """How much of the training data a cell was trained on: so many units of all, and the hash of their names."""

    unit: str
    chosen: Number
    of: Number
    sha256: str


class Provenance(Record):
    """How a result came about.

    `dataset_fingerprint`: of the labels alone, equal on every machine. `cache`: per part (`train`, `test`) whether the
    stored outputs of the frozen trunk were `used`, or why not. `seconds` and `images_per_second` per step; a step reads
    stored outputs where there are any, so the speed of the network itself is `forward_BATCH_PRECISION`, on `device`.
    By the same names `peak_memory`, in bytes (GPUs alone), and `joules_per_image` of whole CPU packages (where they
    have a counter that may be read); nothing stands there where nothing was measured.
    """

    humanbench: str
    git_commit: str | None
    git_dirty: bool | None
    packages: dict[str, str]
    python: str
    platform: str
    device: str
    processes: Annotated[int, Field(ge=1, le=10**6)]
    command: str
    started: str
    seconds: dict[str, Speed]
    images_per_second: dict[str, Speed]
    peak_memory: dict[str, Number] = {}
    joules_per_image: dict[str, Speed] = {}
    dataset_fingerprint: str
    freeze_sha256: str
    predictions_sha256: str
    cache: dict[str, str]


class Cost(Record):
    """Work of the backbone for one picture: `gflops` of a forward pass without the head, a multiply-add as two.

    At the height and width in pixels of the first test picture as the recipe shows it to the network (where all have
    one size: at that size), once; a mirrored view comes on top.
    """

    gflops: Annotated[float, Field(ge=1e-9, le=1e7)]
    height: Side
    width: Side


class Storage(Record):
    """Bytes as held in memory: `backbone`, as it came, and what the finetuned cell adds to that.

    `added`: whatever of the backbone was trained or put in, and the head with all that it remembers.
    """

    backbone: Number
    added: Number


FIRST_COPY = "mini-1"
"""What the embedded suite was when results did not say which copy they are of."""


class Result(Record):
    """A cell, its metrics or the reason why there are none, and how it came about.

    `status` is `done` or `failed`; a failed one has a `reason` and no metrics. `predictions` is the path of the
    predictions file in the run folder. `history`: mean loss terms of each epoch. `trainable`, `frozen`: numbers of
    parameters. `procedural`: which procedural copy of the dataset it was measured on, empty for real data and in files
    from before this was kept. `cost`, `storage`: None where it was not counted. `trained_on`: None where that was all
    of the training data. `reliability`: the curves of `ScoreReport`.
    """

    schema_version: int = SCHEMA_VERSION
    status: Literal["done", "failed"]
    reason: str = ""
    cell: Cell
    dataset: str
    task: str
    scenario: str
    backbone: str
    checkpoint: str | None
    regime: str
    suite: str
    variant: str | None
    seed: Seed
    synthetic: bool
    procedural: str = ""
    subset: str | None
    recipe_source: str
    main: str = ""
    split: str = ""
    unit: str = ""
    metrics: dict[str, Metric] = {}
    info: dict[str, Any] = {}
    reliability: dict[str, Reliability] = {}
    trainable: Number = 0
    frozen: Number = 0
    cost: Cost | None = None
    storage: Storage | None = None
    trained_on: TrainingPart | None = None
    epochs: Number = 0
    iterations: Number = 0
    history: list[dict[str, float | None]] = []
    predictions: str | None = None
    provenance: Provenance | None = None

    @property
    def value(self) -> float:
        """The main metric; `nan` for a failed cell."""
        return self.metrics[self.main].value if self.main in self.metrics else float("nan")

    @property
    def copy_of_data(self) -> str:
        """Which procedural copy it was measured on; empty for real data. All were of one kind before it was kept."""
        return self.procedural or (FIRST_COPY if self.synthetic else "")

    @property
    def other_copy(self) -> str:
        """`copy_of_data`, where it is to be said: empty for the first kind too."""
        return "" if self.copy_of_data == FIRST_COPY else self.copy_of_data

    @property
    def fraction(self) -> float | None:
        """Of the training data; None for all of it."""
        return self.cell.fraction

    @property
    def draw(self) -> int | None:
        """Which list of the fraction; None for all of the training data."""
        return self.cell.draw

    @property
    def corruption(self) -> str | None:
        """What the test pictures were shown through, like `fog:3`; None for nothing."""
        return self.cell.corruption

    @property
    def condition(self) -> str:
        """In words, what keeps its numbers apart from others of its recipe; empty for nothing."""
        few = "" if self.fraction is None else FewLabels(self.fraction, self.draw or 0).text
        return ", ".join(filter(None, (few, self.corruption)))

    def to_json(self) -> str:
        """One JSON document; undefined values are null."""
        return self.model_dump_json(indent=1)


def migrate(document: Document) -> Document:
    """A document of any earlier version as one of today's; `ResultError` for one of a version not known here."""
    version = document.get("schema_version")
    known = {SCHEMA_VERSION, *_MIGRATIONS}
    if type(version) is not int or version not in known:
        raise ResultError(
            f"a result of schema version {version!r}; this humanbench reads versions up to {SCHEMA_VERSION} "
            "(a newer humanbench reads newer ones)"
        )
    while version < SCHEMA_VERSION:
        document = _MIGRATIONS[version](document)
        version += 1
        document = document | {"schema_version": version}
    return document


def read_result(path: Path) -> Result:
    """One results file; a `ResultError` names the file and what is wrong with it."""
    try:
        content = path.read_bytes()
        document = json.loads(content)
        if not isinstance(document, dict):
            raise ResultError(f"{path}: not a result (a JSON object was expected)")
        if not _plain(content) and _breaks_lines(document):
            raise ResultError(f"{path}: not a result: a text in it has control characters or several lines")
        return Result.model_validate(migrate(document))
    except (ValueError, RecursionError) as error:
        if isinstance(error, ValidationError):
            raise ResultError(f"{path}: not a result: {problem(error)}") from error
        raise ResultError(f"{path}: not JSON ({str(error)[:200]})") from error
    except ResultError as error:
        raise error if str(error).startswith(str(path)) else ResultError(f"{path}: {error}") from error


def _plain(document: bytes) -> bool:
    """Whether a JSON document can hold no character that is looked for in `_breaks_lines`: JSON escapes those below a
    blank, others are beyond ASCII. (A null byte is of UTF-16, which is read too.)"""
    return document.isascii() and not any(byte in document for byte in (b"\\", b"\x7f", b"\0"))


def _breaks_lines(value: Any) -> bool:
    """Whether a text anywhere in a document would begin a line of its own in a log: texts of results are one line."""
    if isinstance(value, str):
        return CONTROL.search(value) is not None
    if isinstance(value, dict):
        return any(_breaks_lines(inner) for pair in value.items() for inner in pair)
    return isinstance(value, list) and any(map(_breaks_lines, value))


def result_files(folder: Path) -> list[Path]:
    """The results files of a run folder, oldest first."""
    files = list(files_in(folder / FOLDER, "*.json"))
    if wrong := not_a_file(files):
        raise HumanbenchError(f"{wrong}; remove it")
    return sorted(files, key=lambda path: (path.stat().st_mtime_ns, path.name))


def latest(results: Iterable[Result]) -> Mapping[str, Result]:
    """By cell id: the newest done result, else the newest failed one; results come oldest first."""
    chosen: dict[str, Result] = {}
    for result in results:
        before = chosen.get(result.cell.id)
        if before is None or result.status == "done" or before.status == "failed":
            chosen[result.cell.id] = result
    return chosen
