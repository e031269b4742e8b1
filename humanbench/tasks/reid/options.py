"""The options of re-identification recipes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from humanbench.schema import Fraction
from humanbench.tasks.options import RecipeOptions, RecipeSections


class ReidAugmentOptions(RecipeOptions):
    """`flip` and `erase` are probabilities, `pad` pixels; of the picture `erase_area` is erased, high as wide times
    `erase_aspect`."""

    flip: Fraction
    pad: int
    erase: Fraction
    erase_area: tuple[float, float]
    erase_aspect: tuple[float, float]


class ReidHeadOptions(RecipeOptions):
    """Which feature is trained and tested: the class token (the pooled map where a network has none), the mean over the
    map, or what attention that is learnt with the head pools from it."""

    feature: Literal["class_token", "pooled", "attentive"]


class ReidLossOptions(RecipeOptions):
    """`triplet` is the weight of the triplet loss; a batch holds `images_per_identity` of each of its identities."""

    triplet: float
    images_per_identity: int = Field(ge=2)


class ReidSections(RecipeSections):
    """The sections of recipes of the task. Tested is the resized picture, by its feature before the neck."""

    augment: ReidAugmentOptions
    head: ReidHeadOptions
    loss: ReidLossOptions
