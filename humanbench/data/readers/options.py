"""What a card may say in `[reader.options]`.

A reader module with options of its own declares them in a class and names it `OPTIONS`; the others take those of
`ReaderOptions`. `humanbench.data.readers.check_options` holds every card against them when it is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Self, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from humanbench.cards import DatasetCard
from humanbench.errors import CardError
from humanbench.schema import Record
from humanbench.text import nearest

T = TypeVar("T")


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Choices = Annotated[tuple[str, ...], BeforeValidator(_several)]
"""Paths or names of which the first that exists is taken, as releases and toolchains differ; or a single one."""


class PerSplit:
    """Marks an option whose keys are splits of the card."""


BySplit = Annotated[dict[str, T], PerSplit()]


class ReaderOptions(Record):
    """Options of every reader; a reader with its own derives a class and names it `OPTIONS`.

    `damaged` names pictures that the official archive itself holds in pieces.
    """

    damaged: tuple[str, ...] = ()

    @classmethod
    def of(cls, card: DatasetCard) -> Self:
        """The options of this card, which were checked when it was read."""
        return cls.model_validate(card.reader.options)


class MergedOptions(ReaderOptions):
    """Options of a reader that takes a toolchain's COCO-form file where the official files are not there.

    `merged` names such files, `merged_images` says where their pictures are.
    """

    merged: BySplit[Choices] = Field(default_factory=dict)
    merged_images: BySplit[Choices] = Field(default_factory=dict)


def checked(card: DatasetCard, model: type[ReaderOptions]) -> None:
    """`CardError` in one sentence unless the card's options are of this model and name splits that the card has."""
    where = f"{card.id}: reader.options"
    try:
        options = model.of(card)
    except ValidationError as error:
        problems = error.errors()
        first = next((p for p in problems if p["type"] == "extra_forbidden"), problems[0])  # a slip leaves two
        path = ".".join(str(part) for part in first["loc"])
        if first["type"] != "extra_forbidden":
            raise CardError(f"{where}.{path}: {first['msg']}") from error
        known = sorted(set(_names(model)))
        hint = nearest(str(first["loc"][-1]), known) or f"; it knows {', '.join(known)}"
        raise CardError(f"{where}: the reader {card.reader.format} has no option {path!r}{hint}") from error
    for name, field in model.model_fields.items():
        if any(isinstance(mark, PerSplit) for mark in field.metadata):
            for split in getattr(options, name):
                if split not in card.splits:
                    known = list(card.splits)
                    raise CardError(
                        f"{where}.{name}: {card.id} has no split {split!r}; it has {', '.join(known)}"
                        f"{nearest(split, known)}"
                    )


def _names(kind: Any) -> Iterator[str]:
    """The keys of a model and of the models inside it."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        for name, field in kind.model_fields.items():
            yield name
            yield from _names(field.annotation)
    for part in get_args(kind):
        yield from _names(part)
