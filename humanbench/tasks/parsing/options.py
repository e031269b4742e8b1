"""The options of parsing recipes."""

from __future__ import annotations

from typing import Literal

from humanbench.schema import Count, Fraction
from humanbench.tasks.options import RecipeOptions, RecipeSections, ScaleRange


class ParsingAugmentOptions(RecipeOptions):
    """flip: chance of a mirror image. scale: range of the factor on the input size before a window of it is cut.

    photometric: see `humanbench.data.transforms.photometric`.
    """

    flip: Fraction
    scale: ScaleRange
    photometric: Fraction


class ParsingHeadOptions(RecipeOptions):
    """channels: of both convolutions. norm: `layer` (over channels) or `batch`. stride: where classes are predicted."""

    channels: Count
    norm: Literal["layer", "batch"]
    stride: Count


class ParsingTestOptions(RecipeOptions):
    """flip: average in the mirror image (the paper does not)."""

    flip: bool


class ParsingSections(RecipeSections):
    """The sections of recipes of the task. The loss is the plain mean cross entropy over pixels that have a class."""

    augment: ParsingAugmentOptions
    head: ParsingHeadOptions
    test: ParsingTestOptions
