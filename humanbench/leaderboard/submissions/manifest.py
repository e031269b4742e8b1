"""What a submission says about itself: its manifest and its backbone; and how its documents are read."""

from __future__ import annotations

import json
import math
import stat
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, Field, ValidationError

from humanbench.leaderboard.submissions.archive import BACKBONE, SubmissionError
from humanbench.results import Result, ResultError, migrate
from humanbench.schema import Record, Sha256

SCHEMA_VERSION = 1
LONGEST_NAME = 200
"""Characters of the name of a submission or a submitter."""
Model = TypeVar("Model", bound=BaseModel)


class FileEntry(Record):
    """A file of the submission."""

    sha256: Sha256
    size: int = Field(ge=0)


class Manifest(Record):
    """`files` lists every file but the manifest itself; `name` and `submitter` are for people."""

    schema_version: int = SCHEMA_VERSION
    humanbench: str = Field(max_length=40)
    name: str = Field(min_length=1, max_length=LONGEST_NAME)
    submitter: str = Field(default="", max_length=LONGEST_NAME)
    files: dict[str, FileEntry]


class BackboneRecord(Record):
    """Which weights were finetuned. `pretrained_on`: ids of dataset cards and names of other sets, None: undisclosed.

    `weights_sha256` is over the tensors (see `humanbench.backbones.weights.tensors_sha256`), `card` the whole card
    where there is one. `network`: all that makes it (`humanbench.backbones.record`), None in records of old.
    """

    name: str = Field(min_length=1, max_length=200)
    checkpoint: str | None = Field(default=None, max_length=400)
    weights_sha256: Sha256
    pretrained_on: tuple[str, ...] | None = Field(default=None, max_length=200)
    card: dict[str, Any] | None = None
    network: dict[str, Any] | None = None


def recorded(run: Path) -> BackboneRecord | None:
    """What a run folder says of its backbone; None where it says nothing."""
    path = run / BACKBONE
    if not path.is_file():
        return None
    try:
        return validated(BackboneRecord, read_document(path), path.name)
    except SubmissionError as error:
        raise ResultError(f"{run}: {error}; `humanbench eval` into this folder writes it again") from error


def regular(path: Path) -> Path:
    """The path, if a file lies there; `SubmissionError` for a pipe, whose reader would wait for ever, and the like."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise SubmissionError(f"{path.name}: a file was expected, and this is a folder, pipe, socket or device")
    return path


def read_document(path: Path) -> dict[str, Any]:
    """A JSON object without NaN, infinities or keys that occur twice; `SubmissionError` for anything else."""
    try:
        document = json.loads(
            regular(path).read_bytes().decode("utf-8"),
            parse_constant=_no_constant,
            parse_float=_finite,
            object_pairs_hook=_once,
        )
    except (ValueError, RecursionError) as error:
        raise SubmissionError(f"{path.name}: not a proper JSON file ({_short(error)})") from error
    except OSError as error:
        raise SubmissionError(f"{path.name}: {error.strerror or error}") from error
    if not isinstance(document, dict):
        raise SubmissionError(f"{path.name}: a JSON object was expected")
    return document


def read_manifest(folder: Path) -> Manifest:
    """The manifest, after a check of its version."""
    path = folder / "manifest.json"
    if not path.is_file():
        raise SubmissionError("there is no manifest.json; `humanbench submit` makes a submission of a run")
    document = read_document(path)
    version = document.get("schema_version")
    if type(version) is not int or version != SCHEMA_VERSION:
        raise SubmissionError(
            f"manifest.json: schema version {version!r}; this humanbench reads version {SCHEMA_VERSION} "
            "(a newer humanbench reads newer ones)"
        )
    return validated(Manifest, document, path.name)


def read_result_strictly(path: Path) -> Result:
    """A result whose numbers are numbers; older versions are migrated, `SubmissionError` for newer ones."""
    document = read_document(path)
    try:
        document = migrate(document)
    except (ResultError, KeyError, TypeError) as error:
        raise SubmissionError(f"{path.name}: {_short(error)}") from error
    return validated(Result, document, path.name)


def validated(model: type[Model], document: dict[str, Any], name: str) -> Model:
    """The document as a model, without conversions between types; `SubmissionError` naming the first wrong field."""
    try:
        return model.model_validate_json(json.dumps(document), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(p)[:60] for p in first["loc"][:6]) or "the document"
        raise SubmissionError(f"{name}: {where}: {first['msg']}") from error


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number that JSON has")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:30]} is beyond the largest number")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a key occurs twice in one object")
    return members


def _short(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else text[:197] + "..."
