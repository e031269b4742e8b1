"""The sections of a recipe that a task defines (augment, head, loss, test), as typed values."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, ValidationError

from humanbench.errors import RecipeError
from humanbench.recipes import Recipe
from humanbench.schema import Positive, Record, found, location, problem, unknown_key


def _ordered(scale: tuple[float, float]) -> tuple[float, float]:
    if scale[0] > scale[1]:
        raise ValueError("scale is (smallest, largest)")
    return scale


Pooling = Literal["mean", "class_token", "attentive"]
"""How the features of a picture become one vector (`humanbench.tasks.pooling`)."""

ScaleRange = Annotated[tuple[Positive, Positive], AfterValidator(_ordered)]
"""From which to which factor a picture is scaled."""


class RecipeOptions(Record):
    """A section; an unknown key is an error. Of this class itself: one without keys."""


class RecipeSections(Record):
    """The four sections. A task derives a class that names the options of those of which it has any."""

    augment: RecipeOptions
    head: RecipeOptions
    loss: RecipeOptions
    test: RecipeOptions

    @classmethod
    def of(cls, recipe: Recipe) -> Self:
        """The sections of a recipe; a `RecipeError` for an unknown key or a value of the wrong type."""
        try:
            return cls.model_validate({name: getattr(recipe, name) for name in cls.model_fields})
        except ValidationError as error:
            section = cls.model_fields[str(error.errors()[0]["loc"][0])].annotation
            if hint := unknown_key(error, section):
                raise RecipeError(f"{recipe.task} recipes have no {location(error)}{hint}") from error
            raise RecipeError(f"{recipe.task} recipe: {problem(error)} {found(error)}") from error
