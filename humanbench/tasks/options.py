"""The sections of a recipe that a task defines (augment, head, loss, test), as typed values."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from humanbench.errors import nearest
from humanbench.recipes import Recipe, RecipeError


class Options(BaseModel):
    """A section; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


T = TypeVar("T", bound=Options)


def section(recipe: Recipe, name: str, kind: type[T]) -> T:
    """The recipe's section `name` as `kind`; a `RecipeError` for an unknown key or a value of the wrong type."""
    try:
        return kind.model_validate(getattr(recipe, name))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            known = list(kind.model_fields)
            raise RecipeError(
                f"{recipe.task} recipes have no {name}.{key}{nearest(key, known)} (keys: {', '.join(known) or 'none'})"
            ) from error
        raise RecipeError(f"{recipe.task} recipe: {name}.{key}: {first['msg']} (found {first['input']!r})") from error


def fits(recipe: Recipe, *accepted: str) -> None:
    """Raise `RecipeError` unless the recipe's `input.fit` is one of those that the task knows."""
    if recipe.input.fit not in accepted:
        raise RecipeError(
            f"{recipe.task} recipe: input.fit is {recipe.input.fit!r}, it must be {' or '.join(accepted)}"
        )
