"""The options of counting recipes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from humanbench.schema import Count, Fraction, Positive
from humanbench.tasks.options import Pooling, RecipeOptions, RecipeSections, ScaleRange


class CountingAugmentOptions(RecipeOptions):
    """crop: height and width of the random windows that are trained on. scale: range of the factor before.

    flip: chance of a mirror image. photometric: see `humanbench.data.transforms.photometric`.
    """

    crop: tuple[Count, Count]
    scale: ScaleRange
    flip: Fraction
    photometric: Fraction


class CountingHeadOptions(RecipeOptions):
    """channels: of all convolutions but the last. stride: pixels of input per cell of the density map. pooling: one
    vector of the picture says how many people a cell has, in place of a density map (`PooledCountHead`).
    """

    channels: Count
    stride: Count
    pooling: Pooling | None = None


class CountingLossOptions(RecipeOptions):
    """kernel: `fixed`, every head's Gaussian has `sigma` pixels, or `adaptive`, `spread` times the mean distance to its
    `neighbours` nearest heads (of `sigma` pixels where an image has too few). magnify: what densities are multiplied
    with. count: weight of the counting loss.
    """

    kernel: Literal["fixed", "adaptive"]
    sigma: Positive
    neighbours: Count
    spread: Positive
    magnify: Positive
    count: Annotated[float, Field(ge=0)]


class CountingSections(RecipeSections):
    """The sections of recipes of the task. The whole picture is counted once, so the test has no options."""

    augment: CountingAugmentOptions
    head: CountingHeadOptions
    loss: CountingLossOptions
