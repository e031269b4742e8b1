"""The options of attribute recipes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from humanbench.schema import Count, Fraction
from humanbench.tasks.options import Pooling, RecipeOptions, RecipeSections


class AttributeAugmentOptions(RecipeOptions):
    """`flip` is a probability, `pad` pixels."""

    flip: Fraction
    pad: int


class AttributeHeadOptions(RecipeOptions):
    """`pooling`: which vector of a picture the linear layer reads (`humanbench.tasks.pooling`)."""

    pooling: Pooling = "mean"


class AttributeLossOptions(RecipeOptions):
    """`weighted`: rare answers weigh more, exp(1 - p) where an attribute is present in a share p of training, else
    exp(p); without, all weigh 1."""

    weighted: bool


class AttributeTestOptions(RecipeOptions):
    """The resized picture. `neighbours` and `temperature` are those of the regime `none`, see `NeighbourHead`; with the
    `probe` "linear" it is `LinearProbe` that answers there."""

    neighbours: Count = 20
    temperature: float = Field(default=0.07, gt=0)
    probe: Literal["knn", "linear"] = "knn"


class AttributeSections(RecipeSections):
    """The sections of recipes of the task."""

    augment: AttributeAugmentOptions
    head: AttributeHeadOptions
    loss: AttributeLossOptions
    test: AttributeTestOptions
