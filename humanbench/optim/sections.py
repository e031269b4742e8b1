"""A section of a recipe that is typed by the entry of a catalogue that it names, as `[optim]` and `[schedule]` are.

It has fields of its own, whichever entry it names, and the options of that entry beside them, flat.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import ConfigDict, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from humanbench.catalogue import Catalogue
from humanbench.errors import RecipeError
from humanbench.schema import Record
from humanbench.text import nearest


class Section(Record):
    """A section that names an entry of a catalogue and holds the entry's options.

    `always`: options that are written out and hashed whichever entry is named. Recipes of version 0.1 had them as
    fields, and their hashes, which results carry, are over them; so are values that a layer of a recipe set for an
    entry that a later layer replaced.
    """

    model_config = ConfigDict(extra="allow")

    catalogue: ClassVar[Catalogue[Any]]
    always: ClassVar[type[Record]] = Record
    name: str

    @model_validator(mode="before")
    @classmethod
    def _typed(cls, given: Any) -> Any:
        """The entry's options, checked by its own model; what is always there besides, by that of `always`."""
        if not isinstance(given, Mapping) or given.get("name") not in cls.catalogue:
            return given  # the fields' own checks say what is wrong
        common = {key: value for key, value in given.items() if key in cls.model_fields}
        rest = {key: value for key, value in given.items() if key not in common}
        model = cls.catalogue[given["name"]].options
        past = {key: rest.pop(key) for key in list(rest) if key in cls.always.model_fields.keys() - model.model_fields}
        if unknown := [key for key in rest if key not in model.model_fields]:
            raise _unknown_key(cls, given["name"], unknown[0], rest[unknown[0]])
        return common | cls.always.model_validate(past).model_dump() | model.model_validate(rest).model_dump()

    @classmethod
    def below(cls, base: Mapping[str, Any], layer: Mapping[str, Any]) -> dict[str, Any]:
        """What a recipe's layer goes on top of: without options of an entry that the layer replaces by another one."""
        name = layer.get("name", base.get("name"))
        if name == base.get("name") or name not in cls.catalogue:
            return dict(base)
        stay = {*cls.known_keys(name), *cls.always.model_fields}
        return {key: value for key, value in base.items() if key in stay}

    @property
    def options(self) -> Any:
        """The options of the entry that is named, as its own record."""
        model, values = self.catalogue[self.name].options, self.model_extra or {}
        return model.model_validate({key: values[key] for key in model.model_fields if key in values})

    @classmethod
    def known_keys(cls, name: str) -> list[str]:
        """The keys that the section has where it names this entry."""
        return [*cls.model_fields, *cls.catalogue[name].options.model_fields]

    def check_key(self, key: str, where: str) -> None:
        """`RecipeError` that begins with `where` for a key that the entry does not take: it would do nothing."""
        known = self.known_keys(self.name)
        if key not in known:
            raise RecipeError(f"{where}: {self.name} has no such key{nearest(key, known)} (keys: {', '.join(known)})")

    def hashed(self) -> dict[str, Any]:
        """What hashes are over: everything but the entry's options at their defaults, so that it can have new ones."""
        content, options = self.model_dump(mode="json"), self.options
        for key, field in type(options).model_fields.items():
            if (
                key not in self.always.model_fields
                and not field.is_required()
                and getattr(options, key) == field.default
            ):
                del content[key]
        return content


def _unknown_key(section: type[Section], name: str, key: str, value: Any) -> ValidationError:
    known = section.known_keys(name)
    text = f"no such key{nearest(key, known)} (keys: {', '.join(known)})"
    problem = PydanticCustomError("unknown_key", "{text}", {"text": text})
    return ValidationError.from_exception_data(section.__name__, [{"type": problem, "loc": (key,), "input": value}])
