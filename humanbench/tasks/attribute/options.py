"""The options of attribute recipes."""

from __future__ import annotations

from pydantic import Field

from humanbench.schema import Fraction
from humanbench.tasks.options import RecipeOptions, RecipeSections


class AttributeAugmentOptions(RecipeOptions):
    """`flip` is a probability, `pad` pixels."""

    flip: Fraction
    pad: int


class AttributeLossOptions(RecipeOptions):
    """`weighted`: rare answers weigh more, exp(1 - p) where an attribute is present in a share p of training, else
    exp(p); without, all weigh 1."""

    weighted: bool


class AttributeTestOptions(RecipeOptions):
    """The resized picture. `neighbours` and `temperature` are those of the regime `none`, see `NeighbourHead`."""

    neighbours: int = Field(default=20, ge=1)
    temperature: float = Field(default=0.07, gt=0)


class AttributeSections(RecipeSections):
    """The sections of recipes of the task. The head has no options."""

    augment: AttributeAugmentOptions
    loss: AttributeLossOptions
    test: AttributeTestOptions
