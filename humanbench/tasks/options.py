"""The sections of a recipe that a task defines (augment, head, loss, test), as typed values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from pydantic import ValidationError

from humanbench.errors import RecipeError
from humanbench.recipes import Recipe
from humanbench.schema import Record, found, location, problem, unknown_key


class RecipeOptions(Record):
    """A section; an unknown key is an error."""


T = TypeVar("T", bound=RecipeOptions)


def section(recipe: Recipe, name: str, kind: type[T]) -> T:
    """The recipe's section `name` as `kind`; a `RecipeError` for an unknown key or a value of the wrong type."""
    try:
        return kind.model_validate(getattr(recipe, name))
    except ValidationError as error:
        if hint := unknown_key(error, kind):
            raise RecipeError(f"{recipe.task} recipes have no {name}.{location(error)}{hint}") from error
        raise RecipeError(f"{recipe.task} recipe: {name}.{problem(error)} {found(error)}") from error


def check_fit(recipe: Recipe, accepted: Sequence[str]) -> None:
    """Raise `RecipeError` unless the recipe's `input.fit` is one of those that the task knows."""
    if recipe.input.fit not in accepted:
        raise RecipeError(
            f"{recipe.task} recipe: input.fit is {recipe.input.fit!r}, it must be {' or '.join(accepted)}"
        )
